"""The river: one edit or very many, from source to saved file."""
