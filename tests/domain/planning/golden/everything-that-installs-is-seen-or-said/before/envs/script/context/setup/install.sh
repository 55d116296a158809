#!/bin/sh
set -e
pip install our-pkg==1.4.0 # pinned
