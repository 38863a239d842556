"""Edit video by prompt: one clip or a hundred thousand, never billed twice, nothing paid lost."""
