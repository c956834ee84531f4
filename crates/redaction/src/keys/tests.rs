use super::is_secret;

#[test]
fn names_of_secrets_are_known_however_they_are_written() {
    for name in [
        "password",
        "PASSWORD",
        "user.password",
        "db_password",
        "dbPassword",
        "passwd",
        "pwd",
        "old_password",
        "password.hash",
        "secret",
        "client_secret",
        "clientSecret",
        "aws_secret_access_key",
        "AWS_SECRET_ACCESS_KEY",
        "token",
        "access_token",
        "accessToken",
        "refresh-token",
        "id_token",
        "auth.token.value",
        "X-Csrf-Token",
        "api-key",
        "x-api-key",
        "apiKey",
        "APIKey",
        "API_KEY",
        "apikey",
        "private_key",
        "privateKey",
        "AccountKey",
        "http.request.header.authorization",
        "http.request.header.cookie",
        "http.response.header.set-cookie",
        "http.request.header.set_cookie",
        "Proxy-Authorization",
        "session_token",
        "sessionToken",
        "credentials",
        "jwt",
        "user.ssn",
        "card_number",
        "cardNumber",
        "credit_card",
        "card.cvv",
        "otp",
        "signing_key",
        "sig",
        "X-Amz-Signature",
        "x_amz_signature",
        "AWSAccessKeyId",
        "awsaccesskeyid",
        "db_pass",
        "SharedAccessKey",
        "user.password.value",
    ] {
        assert!(is_secret(name), "{name}");
    }
}

#[test]
fn names_that_only_sound_like_secrets_are_harmless() {
    for name in [
        "",
        ".",
        "token_count",
        "tokenCount",
        "gen_ai.usage.input_tokens",
        "max_tokens",
        "token_type",
        "token.expires_at",
        "password_policy",
        "password.length",
        "session.id",
        "session_id",
        "trace_id",
        "span_id",
        "request_id",
        "http.route",
        "key",
        "cache.key",
        "primary_key",
        "sort_key",
        "keyboard",
        "author",
        "authority",
        "tokenizer",
        "secretary",
        "http.request.method",
        "user_agent.original",
        "url.path",
        "compass",
        "card",
        "card_type",
        "cookie_name",
        "secret_name",
        "access",
        "account",
        "message",
        "pass_rate",
        "assignment",
        "websocket.close.code",
        "error.type",
        "api",
        "service.name",
        "passenger",
        "design",
    ] {
        assert!(!is_secret(name), "{name}");
    }
}

#[test]
fn long_and_odd_names_are_read_from_their_end() {
    assert!(is_secret(&format!("{}.password", "a".repeat(1000))));
    assert!(is_secret(&format!("{}_token", "é".repeat(200))));
    assert!(!is_secret(&"password".repeat(100)));
}
