"""One run's life: folder, prepare, train and resume, the trained model, export."""
