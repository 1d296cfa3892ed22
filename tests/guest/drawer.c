/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws, through the kernel's DRM interface alone, a picture that says who drew it and when.
 *
 * Two dumb buffers are shown in turn by page flips; a driver without DRM has a frame buffer
 * device, to whose memory they are copied. Each picture carries, near its top left
 * corner, a code that a program can read from a screenshot:
 *
 *	18 x 9 cells of 16 x 16 pixels; the first cell's corner is at (32, 32).
 *	The outermost cells form a ring in alternating white and black (white where the sum
 *	of column and row is even). The 16 x 7 cells inside are 112 bits, row by row, most
 *	significant bit first, white for one: the name in 8 bytes of ASCII padded with NUL,
 *	the frame number in 4 bytes, big-endian, and CRC-16/CCITT-FALSE of those 12 bytes.
 *
 * tests/system/pattern.py reads it. Below stand name and number for people, and a bar that
 * moves by 8 pixels a frame. The background's colour is made from the name.
 */

#include <drm.h>
#include <drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES	8
#define CODE_BYTES	(NAME_BYTES + 4 + 2)
#define CELL		16
#define CODE_X		32
#define CODE_Y		32
#define CODE_COLUMNS	18
#define CODE_ROWS	9
#define TEXT_Y		(CODE_Y + CODE_ROWS * CELL + 32)
#define TEXT_SCALE	8
#define BAR_WIDTH	32
#define BAR_STEP	8
#define CURSOR_SIZE	64
#define FLIP_TIMEOUT_MS 20000

#define WHITE 0xffffffu
#define BLACK 0x000000u

struct options {
	char name[NAME_BYTES + 1];
	uint32_t frames;	/* 0: for ever */
	uint32_t rate;		/* frames a second at the most; 0: no limit */
	uint32_t width, height; /* 0: the preferred mode */
	bool still;		/* draw `frames` frames, tell the picture's checksum, hold it */
	bool cursor;
};

struct buffer {
	uint32_t handle, id, pitch, width, height;
	uint64_t size;
	uint32_t *pixels;
	int32_t bar_x; /* where this buffer's bar stands; -1: the buffer was never drawn */
};

struct display {
	int fd;
	uint32_t connector, crtc;
	struct drm_mode_modeinfo mode;
	struct buffer buffer[2];
	struct buffer cursor;
	struct buffer screen; /* of a frame buffer device: what is shown */
};

/* Five columns by seven rows; bit 4 is the leftmost pixel. */
static const uint8_t font[128][7] = {
	['0'] = { 0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e },
	['1'] = { 0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e },
	['2'] = { 0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f },
	['3'] = { 0x1e, 0x01, 0x01, 0x0e, 0x01, 0x01, 0x1e },
	['4'] = { 0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02 },
	['5'] = { 0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e },
	['6'] = { 0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e },
	['7'] = { 0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08 },
	['8'] = { 0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e },
	['9'] = { 0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c },
	['a'] = { 0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11 },
	['b'] = { 0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e },
	['c'] = { 0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e },
	['d'] = { 0x1c, 0x12, 0x11, 0x11, 0x11, 0x12, 0x1c },
	['e'] = { 0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f },
	['f'] = { 0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10 },
	['g'] = { 0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f },
	['h'] = { 0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11 },
	['i'] = { 0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e },
	['j'] = { 0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c },
	['k'] = { 0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11 },
	['l'] = { 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f },
	['m'] = { 0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11 },
	['n'] = { 0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11 },
	['o'] = { 0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e },
	['p'] = { 0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10 },
	['q'] = { 0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d },
	['r'] = { 0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11 },
	['s'] = { 0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e },
	['t'] = { 0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04 },
	['u'] = { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e },
	['v'] = { 0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04 },
	['w'] = { 0x11, 0x11, 0x11, 0x15, 0x15, 0x1b, 0x11 },
	['x'] = { 0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11 },
	['y'] = { 0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04 },
	['z'] = { 0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f },
	['-'] = { 0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00 },
};

static void fail(const char *what)
{
	printf("drawer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int drm(int fd, unsigned long request, void *argument)
{
	int result;

	do {
		result = ioctl(fd, request, argument);
	} while (result < 0 && (errno == EINTR || errno == EAGAIN));
	return result;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the picture ---------------------------------------------------------------------- */

static uint16_t crc16(const uint8_t *bytes, size_t count)
{
	uint16_t crc = 0xffff;

	for (size_t i = 0; i < count; i++) {
		crc ^= (uint16_t)(bytes[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
	}
	return crc;
}

static uint32_t crc32_byte(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int bit = 0; bit < 8; bit++)
		crc = crc & 1 ? (crc >> 1) ^ 0xedb88320u : crc >> 1;
	return crc;
}

/* CRC-32 of the picture as rows of red, green, blue bytes: what a PNG file holds. */
static uint32_t picture_crc32(const struct buffer *b)
{
	uint32_t crc = 0xffffffffu;

	for (uint32_t y = 0; y < b->height; y++) {
		const uint32_t *row = b->pixels + (size_t)y * (b->pitch / 4);

		for (uint32_t x = 0; x < b->width; x++) {
			crc = crc32_byte(crc, (uint8_t)(row[x] >> 16));
			crc = crc32_byte(crc, (uint8_t)(row[x] >> 8));
			crc = crc32_byte(crc, (uint8_t)row[x]);
		}
	}
	return ~crc;
}

/* FNV-1a; the eight bytes as in the code, padding included. */
static uint32_t name_hash(const char *name)
{
	uint32_t hash = 2166136261u;

	for (int i = 0; i < NAME_BYTES; i++)
		hash = (hash ^ (uint8_t)name[i]) * 16777619u;
	return hash;
}

/* Dark, so that white text stands out, and never black. */
static uint32_t background(const char *name)
{
	static const uint32_t colours[] = { 0x4a235a, 0x1b4f72, 0x196f3d, 0x6c3483,
					    0x7b241c, 0x0e6655, 0x283747, 0x8a5a12 };

	return colours[name_hash(name) % (sizeof(colours) / sizeof(colours[0]))];
}

static uint32_t bar_colour(const char *name)
{
	return ~background(name) & 0xffffff;
}

static void fill(struct buffer *b, int32_t x, int32_t y, int32_t width, int32_t height,
		 uint32_t colour)
{
	int32_t right = x + width, bottom = y + height;

	if (x < 0)
		x = 0;
	if (y < 0)
		y = 0;
	if (right > (int32_t)b->width)
		right = (int32_t)b->width;
	if (bottom > (int32_t)b->height)
		bottom = (int32_t)b->height;
	for (int32_t row = y; row < bottom; row++)
		for (int32_t column = x; column < right; column++)
			b->pixels[(size_t)row * (b->pitch / 4) + (size_t)column] = colour;
}

static void draw_code(struct buffer *b, const char *name, uint32_t frame)
{
	uint8_t code[CODE_BYTES];
	uint16_t crc;

	memcpy(code, name, NAME_BYTES);
	for (int i = 0; i < 4; i++)
		code[NAME_BYTES + i] = (uint8_t)(frame >> (24 - 8 * i));
	crc = crc16(code, NAME_BYTES + 4);
	code[NAME_BYTES + 4] = (uint8_t)(crc >> 8);
	code[NAME_BYTES + 5] = (uint8_t)crc;

	for (int row = 0; row < CODE_ROWS; row++) {
		for (int column = 0; column < CODE_COLUMNS; column++) {
			bool ring = row == 0 || row == CODE_ROWS - 1 || column == 0 ||
				    column == CODE_COLUMNS - 1;
			int bit = (row - 1) * (CODE_COLUMNS - 2) + column - 1;
			bool white = ring ? (row + column) % 2 == 0
					  : (code[bit / 8] >> (7 - bit % 8)) & 1;

			fill(b, CODE_X + column * CELL, CODE_Y + row * CELL, CELL, CELL,
			     white ? WHITE : BLACK);
		}
	}
}

static void draw_text(struct buffer *b, int32_t x, int32_t y, const char *text, uint32_t ink,
		      uint32_t paper)
{
	for (; *text; text++, x += 6 * TEXT_SCALE) {
		const uint8_t *rows = font[(uint8_t)*text & 0x7f];

		for (int row = 0; row < 7; row++)
			for (int column = 0; column < 6; column++)
				fill(b, x + column * TEXT_SCALE, y + row * TEXT_SCALE, TEXT_SCALE,
				     TEXT_SCALE, (rows[row] << column) & 0x10 ? ink : paper);
	}
}

/* Draws what differs from the frame that this buffer held before. */
static void draw(struct buffer *b, const char *name, uint32_t frame)
{
	int32_t bar_y = TEXT_Y + 2 * 9 * TEXT_SCALE + 32;
	int32_t bar_height = (int32_t)b->height - bar_y - 32;
	int32_t bar_x = (int32_t)((uint64_t)frame * BAR_STEP % b->width);
	char number[16];

	if (bar_height < 16)
		bar_height = 16;
	if (b->bar_x < 0) {
		fill(b, 0, 0, (int32_t)b->width, (int32_t)b->height, background(name));
		draw_text(b, CODE_X, TEXT_Y, name, WHITE, background(name));
	} else {
		fill(b, b->bar_x, bar_y, BAR_WIDTH, bar_height, background(name));
	}
	fill(b, bar_x, bar_y, BAR_WIDTH, bar_height, bar_colour(name));
	b->bar_x = bar_x;
	snprintf(number, sizeof(number), "%u", frame);
	draw_text(b, CODE_X, TEXT_Y + 9 * TEXT_SCALE, number, WHITE, background(name));
	draw_code(b, name, frame);
}

/* ---- the kernel's interface ----------------------------------------------------------- */

static void print_driver(int fd)
{
	char name[64] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	if (drm(fd, DRM_IOCTL_VERSION, &version))
		fail("DRM_IOCTL_VERSION");
	printf("drawer: driver %s %d.%d.%d\n", name, version.version_major, version.version_minor,
	       version.version_patchlevel);
}

static bool choose_mode(struct display *d, const struct options *o,
			struct drm_mode_get_connector *connector)
{
	struct drm_mode_modeinfo *modes = (void *)(uintptr_t)connector->modes_ptr;

	for (uint32_t i = 0; i < connector->count_modes; i++) {
		bool fits =
			o->width ? modes[i].hdisplay == o->width && modes[i].vdisplay == o->height
				 : (modes[i].type & DRM_MODE_TYPE_PREFERRED) != 0;

		if (fits) {
			d->mode = modes[i];
			return true;
		}
	}
	if (o->width)
		printf("drawer: no mode %ux%u\n", o->width, o->height);
	if (!connector->count_modes || o->width)
		return false;
	d->mode = modes[0];
	return true;
}

/* The first output that something is plugged into. */
static void choose_output(struct display *d, const struct options *o)
{
	uint32_t crtcs[16], connectors[16], encoders[16];
	static struct drm_mode_modeinfo modes[128];
	struct drm_mode_card_res res = { .count_crtcs = 16,
					 .crtc_id_ptr = (uintptr_t)crtcs,
					 .count_connectors = 16,
					 .connector_id_ptr = (uintptr_t)connectors,
					 .count_encoders = 16,
					 .encoder_id_ptr = (uintptr_t)encoders };

	if (drm(d->fd, DRM_IOCTL_MODE_GETRESOURCES, &res))
		fail("DRM_IOCTL_MODE_GETRESOURCES");
	printf("drawer: %u connectors, %u crtcs\n", res.count_connectors, res.count_crtcs);
	for (uint32_t i = 0; i < res.count_connectors && i < 16; i++) {
		struct drm_mode_get_connector c = { .connector_id = connectors[i] };
		struct drm_mode_get_encoder e = { 0 };

		/* Asked with no room for modes the kernel probes the output. */
		if (drm(d->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c))
			fail("DRM_IOCTL_MODE_GETCONNECTOR");
		if (c.connection != 1)
			continue;
		c = (struct drm_mode_get_connector){ .connector_id = connectors[i],
						     .count_modes = 128,
						     .modes_ptr = (uintptr_t)modes,
						     .count_encoders = 16,
						     .encoders_ptr = (uintptr_t)encoders };
		if (drm(d->fd, DRM_IOCTL_MODE_GETCONNECTOR, &c) || !c.count_encoders)
			fail("DRM_IOCTL_MODE_GETCONNECTOR");
		e.encoder_id = encoders[0];
		if (drm(d->fd, DRM_IOCTL_MODE_GETENCODER, &e) || !e.possible_crtcs)
			fail("DRM_IOCTL_MODE_GETENCODER");
		if (!choose_mode(d, o, &c))
			continue;
		d->connector = connectors[i];
		d->crtc = crtcs[__builtin_ctz(e.possible_crtcs)];
		printf("drawer: connector %u mode %ux%u\n", d->connector, d->mode.hdisplay,
		       d->mode.vdisplay);
		return;
	}
	printf("drawer: no output is connected\n");
	exit(1);
}

static void make_buffer(int fd, struct buffer *b, uint32_t width, uint32_t height)
{
	struct drm_mode_create_dumb create = { .width = width, .height = height, .bpp = 32 };
	struct drm_mode_map_dumb map = { 0 };

	if (drm(fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		fail("DRM_IOCTL_MODE_CREATE_DUMB");
	map.handle = create.handle;
	if (drm(fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
		fail("DRM_IOCTL_MODE_MAP_DUMB");
	*b = (struct buffer){ .handle = create.handle,
			      .pitch = create.pitch,
			      .width = width,
			      .height = height,
			      .size = create.size,
			      .bar_x = -1 };
	b->pixels =
		mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
	if (b->pixels == MAP_FAILED)
		fail("mmap");
}

static void make_frame(int fd, struct buffer *b)
{
	struct drm_mode_fb_cmd fb = { .width = b->width,
				      .height = b->height,
				      .pitch = b->pitch,
				      .bpp = 32,
				      .depth = 24,
				      .handle = b->handle };

	if (drm(fd, DRM_IOCTL_MODE_ADDFB, &fb))
		fail("DRM_IOCTL_MODE_ADDFB");
	b->id = fb.fb_id;
}

static void set_mode(struct display *d)
{
	struct drm_mode_crtc crtc = { .set_connectors_ptr = (uintptr_t)&d->connector,
				      .count_connectors = 1,
				      .crtc_id = d->crtc,
				      .fb_id = d->buffer[0].id,
				      .mode_valid = 1,
				      .mode = d->mode };

	if (drm(d->fd, DRM_IOCTL_MODE_SETCRTC, &crtc))
		fail("DRM_IOCTL_MODE_SETCRTC");
}

/* False: the driver has none (bochs-drm). */
static bool make_cursor(struct display *d, const char *name)
{
	struct drm_mode_cursor2 c = { .flags = DRM_MODE_CURSOR_BO,
				      .crtc_id = d->crtc,
				      .width = CURSOR_SIZE,
				      .height = CURSOR_SIZE };

	make_buffer(d->fd, &d->cursor, CURSOR_SIZE, CURSOR_SIZE);
	fill(&d->cursor, 0, 0, CURSOR_SIZE, CURSOR_SIZE, 0);
	fill(&d->cursor, 0, 0, 24, 24, 0xff000000u | bar_colour(name));
	c.handle = d->cursor.handle;
	if (!drm(d->fd, DRM_IOCTL_MODE_CURSOR2, &c))
		return true;
	if (errno != ENXIO)
		fail("DRM_IOCTL_MODE_CURSOR2");
	printf("drawer: the driver has no cursor\n");
	return false;
}

static void move_cursor(struct display *d, uint32_t frame)
{
	struct drm_mode_cursor c = { .flags = DRM_MODE_CURSOR_MOVE,
				     .crtc_id = d->crtc,
				     .x = (int32_t)(frame * 5 % d->mode.hdisplay),
				     .y = (int32_t)(frame * 3 % d->mode.vdisplay) };

	if (drm(d->fd, DRM_IOCTL_MODE_CURSOR, &c))
		fail("DRM_IOCTL_MODE_CURSOR");
}

/* Shows a buffer; comes back when the kernel says that it is being shown. */
static void flip(struct display *d, const struct buffer *b)
{
	struct drm_mode_crtc_page_flip request = { .crtc_id = d->crtc,
						   .fb_id = b->id,
						   .flags = DRM_MODE_PAGE_FLIP_EVENT };
	struct pollfd wait = { .fd = d->fd, .events = POLLIN };
	char event[1024];

	if (d->screen.pixels) {
		for (uint32_t y = 0; y < b->height; y++)
			memcpy((uint8_t *)d->screen.pixels + (size_t)y * d->screen.pitch,
			       (const uint8_t *)b->pixels + (size_t)y * b->pitch, b->pitch);
		return;
	}
	if (drm(d->fd, DRM_IOCTL_MODE_PAGE_FLIP, &request))
		fail("DRM_IOCTL_MODE_PAGE_FLIP");
	if (poll(&wait, 1, FLIP_TIMEOUT_MS) != 1) {
		printf("drawer: no flip event in %d ms\n", FLIP_TIMEOUT_MS);
		exit(1);
	}
	if (read(d->fd, event, sizeof(event)) < (ssize_t)sizeof(struct drm_event_vblank))
		fail("read of the flip event");
}

/* The mode that the driver has set, with 32 bits a pixel. */
static void open_frame_buffer(struct display *d)
{
	struct fb_fix_screeninfo fix;
	struct fb_var_screeninfo var;

	d->fd = open("/dev/fb0", O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		fail("/dev/fb0");
	if (ioctl(d->fd, FBIOGET_VSCREENINFO, &var))
		fail("FBIOGET_VSCREENINFO");
	var.bits_per_pixel = 32;
	if (ioctl(d->fd, FBIOPUT_VSCREENINFO, &var))
		fail("FBIOPUT_VSCREENINFO");
	if (ioctl(d->fd, FBIOGET_FSCREENINFO, &fix))
		fail("FBIOGET_FSCREENINFO");
	printf("drawer: frame buffer %.16s mode %ux%u\n", fix.id, var.xres, var.yres);
	d->mode = (struct drm_mode_modeinfo){ .hdisplay = (uint16_t)var.xres,
					      .vdisplay = (uint16_t)var.yres };
	d->screen = (struct buffer){ .pitch = fix.line_length,
				     .width = var.xres,
				     .height = var.yres,
				     .size = (uint64_t)fix.line_length * var.yres };
	d->screen.pixels = mmap(NULL, d->screen.size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
	if (d->screen.pixels == MAP_FAILED)
		fail("mmap");
	for (int i = 0; i < 2; i++) {
		d->buffer[i] = d->screen;
		d->buffer[i].pitch = 4 * var.xres;
		d->buffer[i].bar_x = -1;
		d->buffer[i].pixels = calloc(var.yres, d->buffer[i].pitch);
		if (!d->buffer[i].pixels)
			fail("calloc");
	}
}

static void open_card(struct display *d, const struct options *o)
{
	print_driver(d->fd);
	choose_output(d, o);
	for (int i = 0; i < 2; i++) {
		make_buffer(d->fd, &d->buffer[i], d->mode.hdisplay, d->mode.vdisplay);
		make_frame(d->fd, &d->buffer[i]);
	}
	draw(&d->buffer[0], o->name, 0);
	set_mode(d);
}

static void sleep_until(uint64_t when_ns)
{
	struct timespec t = { .tv_sec = (time_t)(when_ns / 1000000000u),
			      .tv_nsec = (long)(when_ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void run(struct display *d, const struct options *o)
{
	uint64_t start = now_ns(), told = start, next = start;
	uint32_t frame = 0, frame_told = 0;

	while (!o->frames || frame < o->frames) {
		struct buffer *b = &d->buffer[++frame % 2];
		uint64_t now;

		draw(b, o->name, frame);
		flip(d, b);
		if (o->cursor && d->cursor.pixels)
			move_cursor(d, frame);
		now = now_ns();
		if (now - told >= 1000000000u || frame == 1) {
			printf("guest %s: frame %u rate %llu\n", o->name, frame,
			       (unsigned long long)((frame - frame_told) * 1000000000ull /
						    (now - told + 1)));
			told = now;
			frame_told = frame;
		}
		if (o->rate) {
			next += 1000000000u / o->rate;
			if (next > now)
				sleep_until(next);
			else
				next = now;
		}
	}
	printf("guest %s: drew %u frames in %llu ms\n", o->name, frame,
	       (unsigned long long)((now_ns() - start) / 1000000u));
	if (o->still) {
		printf("guest %s: holding frame %u, picture %ux%u crc32 %08x\n", o->name, frame,
		       d->mode.hdisplay, d->mode.vdisplay, picture_crc32(&d->buffer[frame % 2]));
		for (;;)
			pause();
	}
}

static struct options parse(int argc, char **argv)
{
	struct options o = { .name = "guest", .rate = 30 };
	int option;

	while ((option = getopt(argc, argv, "n:f:r:m:sc")) != -1) {
		switch (option) {
		case 'n':
			/* The rest stays zero: the code wants padding with NUL. */
			memset(o.name, 0, sizeof(o.name));
			for (int i = 0; i < NAME_BYTES && optarg[i]; i++)
				o.name[i] = optarg[i];
			break;
		case 'f':
			o.frames = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			o.rate = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			if (sscanf(optarg, "%ux%u", &o.width, &o.height) != 2)
				o.width = o.height = 0;
			break;
		case 's':
			o.still = true;
			break;
		case 'c':
			o.cursor = true;
			break;
		default:
			printf("usage: drawer [-n NAME] [-f FRAMES] [-r RATE] [-m WxH] [-s] [-c]\n");
			exit(2);
		}
	}
	if (o.still && !o.frames)
		o.frames = 10;
	return o;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	static struct display d;

	setvbuf(stdout, NULL, _IOLBF, 0);
	d.fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	if (d.fd < 0)
		open_frame_buffer(&d);
	else
		open_card(&d, &o);
	if (o.cursor && !d.screen.pixels)
		o.cursor = make_cursor(&d, o.name);
	run(&d, &o);
	return 0;
}
