"""Host tracking: which hosts are dead, and whether they may be evacuated without anybody asking for it."""
