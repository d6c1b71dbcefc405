<?php

// PHPUnit's start, with the application that these tests were copied into.

require_once dirname(__DIR__).'/bootstrap/autoload.php';
require_once __DIR__.'/Stage.php';
require_once __DIR__.'/Phone.php';
require_once __DIR__.'/ApplicationTestCase.php';
require_once __DIR__.'/CallTestCase.php';
