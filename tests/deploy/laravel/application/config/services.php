<?php

return ['agora' => ['app_id' => 'agora-app']];
