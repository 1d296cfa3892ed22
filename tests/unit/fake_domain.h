/* SPDX-License-Identifier: Apache-2.0 */
/* An IOMMU's domain, for tests of those who use one: what is mapped in it is the test's own. */
#ifndef TESTS_UNIT_FAKE_DOMAIN_H
#define TESTS_UNIT_FAKE_DOMAIN_H

#include "drivers/iommu.h"

static void (*fake_on_attach)(u16 bdf); /* told of each attempt, if there is one */
static enum err fake_attach_result;

enum err iommu_domain_init(struct iommu *iommu, struct iommu_domain *domain)
{
	domain->iommu = iommu;
	return OK;
}

enum err iommu_attach(struct iommu_domain *domain, u16 bdf)
{
	(void)domain;
	if (fake_on_attach)
		fake_on_attach(bdf);
	return fake_attach_result;
}

#endif
