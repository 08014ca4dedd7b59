//! Keys are exchanged for tokens on the Sentinel Hub mount, and tokens are worth what their keys are.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{KEY, Reply, World, call, get};

const NEW: &str = "/sentinel-hub/auth/realms/main/protocol/openid-connect/token";
const OLD: &str = "/sentinel-hub/oauth/token";
const DAILY: &str =
    "[[budgets]]\nname = \"calls\"\nunit = \"requests\"\nlimit = 100\nwindow = \"day\"\n";

async fn ask(world: &World, path: &str, form: &str) -> Reply {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}{path}", world.guard.url);
    call(Method::POST, &url, &headers, form.to_owned().into()).await
}

fn form(id: &str, secret: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("grant_type", "client_credentials"), ("client_id", id)])
        .append_pair("client_secret", secret)
        .finish()
}

async fn token(world: &World) -> String {
    let reply = ask(world, NEW, &form("ag", KEY)).await;
    let token = reply.json()["access_token"].as_str().map(ToOwned::to_owned);
    token.unwrap_or_else(|| panic!("no token: {}", reply.text()))
}

async fn use_of(world: &World, token: &str) -> StatusCode {
    let url = format!(
        "{}/sentinel-hub/api/v1/catalog/1.0.0/collections",
        world.guard.url
    );
    let bearer = format!("Bearer {token}");
    get(&url, &[("authorization", &bearer)]).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_exchanged_at_both_addresses_and_never_upstream() {
    let world = World::start(DAILY).await;
    for path in [NEW, OLD] {
        let reply = ask(&world, path, &form("ag", KEY)).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.header("cache-control"), "no-store");
        let grant = reply.json();
        assert_eq!(grant["token_type"], "Bearer");
        // an hour, less the fraction of the second that has begun
        assert!((3599..=3600).contains(&grant["expires_in"].as_i64().unwrap_or_default()));
        assert!(
            grant["expires_at"].as_i64() > Some(1_700_000_000),
            "{grant}"
        );
        assert!(!reply.text().contains(KEY));
        let token = grant["access_token"].as_str().expect("a token");
        assert_eq!(use_of(&world, token).await, StatusCode::OK);
    }
    let paths: Vec<Value> = world.simulator.requests();
    assert_eq!(
        paths.len(),
        2,
        "only what the tokens were used for: {paths:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_client_is_refused_in_the_words_of_oauth() {
    let world = World::start(DAILY).await;
    let twice = form("ag", KEY) + "&client_id=ag";
    for (form, status, error) in [
        (form("ag", "qg_nobody"), 401, "invalid_client"),
        (form("someone", KEY), 401, "invalid_client"),
        (twice, 400, "invalid_request"),
        (String::new(), 400, "invalid_request"),
        ("x".repeat(100_000), 400, "invalid_request"),
        (
            form("ag", KEY).replace("client_credentials", "password"),
            400,
            "unsupported_grant_type",
        ),
    ] {
        let reply = ask(&world, NEW, &form).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
        assert_eq!(reply.json()["error"], json!(error));
        assert!(
            reply.json()["error_description"]
                .as_str()
                .is_some_and(|text| text.len() > 20)
        );
    }
    let json = [("content-type", "application/json")];
    let url = format!("{}{NEW}", world.guard.url);
    let reply = call(Method::POST, &url, &json, "{}".into()).await;
    assert_eq!(reply.json()["error"], "invalid_request");
    let reply = ask(&world, &format!("{NEW}?client_id=ag"), &form("ag", KEY)).await;
    assert_eq!(reply.json()["error"], "invalid_request");
    assert!(world.simulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_outlives_a_restart_but_not_its_key() {
    let mut world = World::start(DAILY).await;
    let token = token(&world).await;
    world.kill_and_restart();
    assert_eq!(use_of(&world, &token).await, StatusCode::OK);
    let policy = std::fs::read_to_string(world.policy_file()).expect("the policy");
    let disabled = policy.replace("id = \"ag\",", "id = \"ag\", disabled = true,");
    std::fs::write(world.policy_file(), disabled).expect("the policy");
    world.kill_and_restart();
    assert_eq!(use_of(&world, &token).await, StatusCode::FORBIDDEN);
    let reply = ask(&world, NEW, &form("ag", KEY)).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert!(reply.text().contains("is disabled"), "{}", reply.text());
    let changed = format!("{}x", &token[..token.len() - 1]);
    assert_eq!(use_of(&world, &changed).await, StatusCode::UNAUTHORIZED);
}
