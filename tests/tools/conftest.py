# SPDX-License-Identifier: Apache-2.0
"""Tests of the host's tools: no emulator, no Facet."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
