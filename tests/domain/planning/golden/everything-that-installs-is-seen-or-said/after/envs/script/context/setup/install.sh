#!/bin/sh
set -e
pip install our-pkg==1.5.0 # pinned
