url=https://example.org
groups=(common)
