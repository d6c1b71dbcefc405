<?php

/** Asks stage.py, whose head says for what. */
final class Stage
{
    public static function ask(string $path, array $question = []): array
    {
        $context = stream_context_create(['http' => [
            'method' => 'POST',
            'header' => ['Content-Type: application/json', 'Connection: close'],
            'content' => json_encode((object) $question),
            'ignore_errors' => true,
            'timeout' => 60,
        ]]);
        $answer = json_decode(file_get_contents(getenv('STAGE_URL').$path, false, $context), true);
        if (isset($answer['failure'])) {
            throw new RuntimeException($answer['failure']);
        }

        return $answer;
    }

    /** The address of a socket server that behaves like this; stage.py has the list. */
    public static function backend(string $behaviour): string
    {
        return getenv('STAGE_URL')."/backend/{$behaviour}";
    }

    /** What came to such servers, and what was noted, since the last time. */
    public static function seen(): array
    {
        return self::ask('/seen')['seen'];
    }

    public static function note(string $what): void
    {
        self::ask('/note', ['what' => $what]);
    }

    /** The headers that the socket server gives to such a request, as server variables. */
    public static function signed(string $secret, string $method, string $target, string $body, int $now): array
    {
        $headers = self::ask('/sign', compact('secret', 'method', 'target', 'body', 'now'));
        $names = array_map(fn ($name) => 'HTTP_'.strtoupper(str_replace('-', '_', $name)), array_keys($headers));

        return array_combine($names, array_values($headers));
    }
}
