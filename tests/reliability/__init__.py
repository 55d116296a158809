"""The promises under crashes, duplicates, reordering, lost answers and two workers."""
