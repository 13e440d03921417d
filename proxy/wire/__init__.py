"""HTTP as clients speak it: what they ask, and how they are answered."""
