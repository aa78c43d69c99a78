"""Development of CQRSampler: the scripts behind the figures in ``docs/cqr.md``."""
