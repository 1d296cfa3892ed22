// SPDX-License-Identifier: Apache-2.0
/* Reads the configuration and the files that it names from the boot volume. */
#include <efi.h>
#include <efilib.h>

#include "boot/boot.h"

#define READ_STEP (4u << 20) /* progress is shown for each step */

void *boot_allocate(UINTN pages)
{
	EFI_PHYSICAL_ADDRESS address = 0;

	if (EFI_ERROR(uefi_call_wrapper(BS->AllocatePages, 4, AllocateAnyPages, EfiLoaderData,
					pages, &address)))
		return NULL;
	ZeroMem((void *)(UINTN)address, pages * 4096);
	return (void *)(UINTN)address;
}

static u64 file_size(EFI_FILE_HANDLE file)
{
	EFI_FILE_INFO *info = LibFileInfo(file);
	u64 size;

	if (!info)
		return 0;
	size = info->Attribute & EFI_FILE_DIRECTORY ? 0 : info->FileSize;
	FreePool(info);
	return size;
}

static u64 read_content(EFI_FILE_HANDLE file, struct handover_file *out)
{
	UINT8 *data = boot_allocate((out->size + 4095) / 4096 + 1);
	u64 done = 0;

	if (!data)
		return HANDOVER_FILE_NO_MEMORY;
	while (done < out->size) {
		UINTN part = out->size - done > READ_STEP ? READ_STEP : (UINTN)(out->size - done);

		if (EFI_ERROR(uefi_call_wrapper(file->Read, 3, file, &part, data + done)) || !part)
			return HANDOVER_FILE_IO_ERROR;
		done += part;
		if (out->size > READ_STEP)
			Print(L"\rFacet: reading %a %d of %d KiB", out->name, (UINTN)(done >> 10),
			      (UINTN)(out->size >> 10));
	}
	if (out->size > READ_STEP)
		Print(L"\r\n");
	out->base = (UINTN)data;
	return HANDOVER_FILE_READ;
}

static void read_file(EFI_FILE_HANDLE root, struct handover_file *out)
{
	CHAR16 path[HANDOVER_FILE_NAME + 16];
	EFI_FILE_HANDLE file;

	out->status = HANDOVER_FILE_MISSING;
	SPrint(path, sizeof(path), L"\\facet\\%a", out->name);
	for (CHAR16 *c = path; *c; c++)
		if (*c == L'/')
			*c = L'\\';
	if (EFI_ERROR(uefi_call_wrapper(root->Open, 5, root, &file, path, EFI_FILE_MODE_READ, 0)))
		return;
	out->size = file_size(file);
	if (out->size)
		out->status = read_content(file, out);
	uefi_call_wrapper(file->Close, 1, file);
}

static BOOLEAN is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static u64 skip_blanks(const char *line, u64 length, u64 at)
{
	while (at < length && is_blank(line[at]))
		at++;
	return at;
}

/* The value of `key` on this line, or 0 bytes. Names alone: the real parser is in core/. */
static u64 value_of(const char *line, u64 length, const char *key, const char **value)
{
	u64 at = skip_blanks(line, length, 0), end;

	for (; *key; key++, at++)
		if (at >= length || line[at] != *key)
			return 0;
	at = skip_blanks(line, length, at);
	if (at >= length || line[at] != '=')
		return 0;
	at = skip_blanks(line, length, at + 1);
	for (end = at; end < length && !is_blank(line[end]); end++)
		;
	*value = line + at;
	return end - at;
}

static void add_file(EFI_FILE_HANDLE root, struct handover *record, const char *name, u64 length)
{
	struct handover_file *file;

	if (!length || length >= HANDOVER_FILE_NAME || record->file_count == HANDOVER_FILES_MAX)
		return;
	file = &record->files[record->file_count];
	for (u64 i = 0; i < HANDOVER_FILE_NAME; i++)
		file->name[i] = i < length ? name[i] : 0;
	for (u64 i = 0; i < record->file_count; i++)
		if (!CompareMem(record->files[i].name, file->name, HANDOVER_FILE_NAME))
			return;
	record->file_count++;
	read_file(root, file);
}

static void add_named_files(EFI_FILE_HANDLE root, struct handover *record)
{
	const char *text = (const char *)(UINTN)record->files[0].base;
	u64 size = record->files[0].size;
	u64 start = 0;

	while (start < size) {
		const char *value;
		u64 end = start, length;

		while (end < size && text[end] != '\n')
			end++;
		length = value_of(text + start, end - start, "kernel", &value);
		if (!length)
			length = value_of(text + start, end - start, "initrd", &value);
		if (length)
			add_file(root, record, value, length);
		start = end + 1;
	}
}

EFI_STATUS boot_load_files(EFI_HANDLE image, struct handover *record)
{
	EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
	EFI_LOADED_IMAGE *loaded;
	EFI_FILE_HANDLE root;
	EFI_STATUS status;

	status = uefi_call_wrapper(BS->HandleProtocol, 3, image, &guid, (void **)&loaded);
	if (EFI_ERROR(status))
		return status;
	root = LibOpenRoot(loaded->DeviceHandle);
	if (!root) {
		Print(L"Facet: cannot open the volume that it was started from\r\n");
		return EFI_NOT_FOUND;
	}
	add_file(root, record, "facet.conf", 10);
	if (record->files[0].status == HANDOVER_FILE_READ)
		add_named_files(root, record);
	uefi_call_wrapper(root->Close, 1, root);
	return EFI_SUCCESS;
}
