<?php
// Asks a Captchagate gateway about a user: copy this file. PHP 8.0 or later, nothing else.

// $form: what the page sent, such as $_POST; $ip: the user's address, such as
// $_SERVER['REMOTE_ADDR']; $scene: yours, never the page's. The answer's decision is
// "allow", "deny" or "challenge": show $answer['challenge'] to the page then. It throws
// where no gateway answers or the request is wrong: that is never about the user. A
// question without an answer is asked once more under the same key, which uses the ticket
// once.
function verify(array $form, string $ip, string $scene): array
{
    $gateway = getenv('GATEWAY_URL') ?: 'http://127.0.0.1:8080';
    $key = getenv('GATEWAY_KEY') ?: '';
    $body = ['user_ip' => $ip, 'scene' => $scene];
    if (!empty($form['ticket'])) {
        $body += ['ticket' => $form['ticket'], 'randstr' => $form['randstr'] ?? ''];
    } else {
        $body['challenge'] = $form['captcha-response'] ?? '';
    }
    $headers = ['Content-Type: application/json', 'Idempotency-Key: ' . bin2hex(random_bytes(16))];
    if ($key !== '') {
        $headers[] = "Authorization: Bearer $key";
    }
    $context = stream_context_create(['http' => [
        'method' => 'POST', 'header' => $headers, 'timeout' => 2.5, 'ignore_errors' => true,
        'content' => json_encode($body, JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR),
    ]]);
    for ($tries = 1; ; $tries++) {
        $http_response_header = [];
        $text = @file_get_contents("$gateway/v1/verify", false, $context);
        $status = (int) (explode(' ', $http_response_header[0] ?? '')[1] ?? 0); // 0: no answer
        if ($status === 200 && $text !== false) {
            return json_decode($text, true, 512, JSON_THROW_ON_ERROR);
        }
        if ($tries === 2 || $status > 0 && $status < 502) {
            throw new RuntimeException("captchagate: $status: $text");
        }
        usleep(100_000);
    }
}

// php verify.php login 192.0.2.7 "ticket=…&randstr=…"
if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    [, $scene, $ip, $fields] = $argv;
    parse_str($fields, $form);
    echo json_encode(verify($form, $ip, $scene)), "\n";
}
