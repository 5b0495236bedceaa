"""The paper's experiments run again: trainings that are shared and kept, judged figures, and one page."""
