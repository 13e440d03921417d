"""Reserve, settle, and write down what every request cost."""
