"""Captioning and visual question answering: training, scores, and maps of words and answers."""
