# SPDX-License-Identifier: Apache-2.0
"""What tools/facetctl is made of; each module has one subject."""
