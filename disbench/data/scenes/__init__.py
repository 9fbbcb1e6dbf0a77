"""What DIS-Mini shows: objects of thin parts, backgrounds, and the small renderer that puts one before the other."""
