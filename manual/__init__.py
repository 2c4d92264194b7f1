"""The pages that are made from the code, and the site that is made of all pages. No part of the package."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
