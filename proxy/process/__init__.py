"""The process among others: started, replaced, stopped, backed up, looked over."""
