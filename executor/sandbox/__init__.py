"""The walls around code that we did not write, and the directories inside them."""
