"""What is shipped in deploy/ and laravel/, run with the real programs that it is for."""
