"""Cloud climate and cloud-free line of sight."""
