"""The content of DIS-Mini: objects of thin parts, backgrounds, and the small renderer that combines them."""
