"""What laravel/ is tested with: a stand-in application, a PHPUnit suite, and the stage that PHPUnit plays on."""
