#include <gtest/gtest.h>

#include <fstream>

#include "rejoin/node/node.h"

namespace rejoin::node {
namespace {

// Parses text that must be refused, and gives the one line a person would see.
std::string refusal(std::string_view text) {
  auto options = NodeOptions::from_toml(text, "node.toml");
  if (options) return "(was accepted)";
  EXPECT_EQ(options.error().code, ErrorCode::malformed);
  EXPECT_EQ(options.error().to_string().find('\n'), std::string::npos);
  return options.error().where + ": " + options.error().message;
}

TEST(Config, a_name_is_enough_and_everything_else_has_the_documented_default) {
  auto options = NodeOptions::from_toml("name = \"a\"");
  ASSERT_TRUE(options) << options.error().to_string();
  EXPECT_EQ(options->name, "a");
  EXPECT_EQ(options->cluster, "rejoin");
  EXPECT_EQ(options->listen, "tcp://127.0.0.1:*");
  EXPECT_EQ(options->directory, "");
  EXPECT_EQ(options->admin_socket_path(), "");
  EXPECT_EQ(options->exchange_interval, std::chrono::milliseconds(1000));
  EXPECT_EQ(options->peer_timeout, std::chrono::milliseconds(5000));
  EXPECT_EQ(options->member_away_after, std::chrono::hours(168));
  EXPECT_EQ(options->forget_after, std::chrono::hours(24));
  EXPECT_EQ(options->clock_ahead_max, std::chrono::milliseconds(60000));
  EXPECT_EQ(options->acknowledge_within, std::chrono::milliseconds(60000));
  EXPECT_EQ(options->link_bytes_per_second, 0u);
  EXPECT_EQ(options->log_level, "info");
  EXPECT_EQ(options->log_format, "text");
  EXPECT_TRUE(options->peers.empty() && options->members.empty() && options->spaces.empty());
}

TEST(Config, every_key_reaches_its_option) {
  auto options = NodeOptions::from_toml(R"(
    name = "a"
    cluster = "c"
    listen = "tcp://127.0.0.1:7000"
    directory = "/d"
    admin_socket = "/s"
    members = ["a", "b"]
    exchange_interval_ms = 1
    peer_timeout_ms = 2
    member_away_after_ms = 4
    forget_after_ms = 5
    clock_ahead_max_ms = 3
    acknowledge_within_ms = 6
    link_bytes_per_second = 8192
    log_level = "off"
    log_format = "json"
    [peers]
    b = "tcp://127.0.0.1:7001"
    [metrics]
    listen = "[::1]:9464"
    [[spaces]]
    name = "x"
    [[spaces]]
    name = "y"
    durable = false
  )");
  ASSERT_TRUE(options) << options.error().to_string();
  EXPECT_EQ(options->cluster, "c");
  EXPECT_EQ(options->listen, "tcp://127.0.0.1:7000");
  EXPECT_EQ(options->directory, "/d");
  EXPECT_EQ(options->admin_socket_path(), "/s");
  EXPECT_EQ(options->members, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options->exchange_interval, std::chrono::milliseconds(1));
  EXPECT_EQ(options->peer_timeout, std::chrono::milliseconds(2));
  EXPECT_EQ(options->member_away_after, std::chrono::milliseconds(4));
  EXPECT_EQ(options->forget_after, std::chrono::milliseconds(5));
  EXPECT_EQ(options->clock_ahead_max, std::chrono::milliseconds(3));
  EXPECT_EQ(options->link_bytes_per_second, 8192u);
  EXPECT_EQ(options->log_level, "off");
  EXPECT_EQ(options->log_format, "json");
  EXPECT_EQ(options->metrics_listen, "[::1]:9464");
  EXPECT_EQ(options->acknowledge_within, std::chrono::milliseconds(6));
  EXPECT_EQ(options->peers, (std::map<std::string, std::string>{{"b", "tcp://127.0.0.1:7001"}}));
  ASSERT_EQ(options->spaces.size(), 2u);
  EXPECT_EQ(options->spaces[0].name, "x");
  EXPECT_TRUE(options->spaces[0].durable);
  EXPECT_EQ(options->spaces[1].name, "y");
  EXPECT_FALSE(options->spaces[1].durable);
}

TEST(Config, a_budget_that_transfers_cannot_keep_to_is_refused) {
  for (const char* budget : {"1", "8191", "1099511627777"}) {
    EXPECT_EQ(refusal("name = \"a\"\nlink_bytes_per_second = " + std::string(budget)),
              "node.toml:2: link_bytes_per_second: must be 0, for no bound, or between 8192 and "
              "1099511627776");
  }
}

TEST(Config, a_space_names_the_counters_whose_requests_are_answered) {
  auto options = NodeOptions::from_toml(
      "name = \"a\"\n[[spaces]]\nname = \"x\"\ndurable = false\n"
      "[[spaces.answers]]\ncounter = \"/budgets/gpu/pool\"\nkeep = 3\n"
      "[[spaces.answers]]\ncounter = \"/stock\"");
  ASSERT_TRUE(options) << options.error().to_string();
  const std::vector<AnswerRule>& answers = options->spaces.at(0).answers;
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].counter.to_string(), "/map:budgets/map:gpu/bounded_counter:pool");
  EXPECT_EQ(answers[0].keep, 3);
  EXPECT_EQ(answers[1].counter.to_string(), "/bounded_counter:stock");
  EXPECT_EQ(answers[1].keep, 0);
}

TEST(Config, a_counter_that_cannot_be_answered_for_is_refused_with_its_line) {
  const std::string space = "name = \"a\"\n[[spaces]]\nname = \"x\"\ndurable = false\n";
  EXPECT_EQ(
      refusal(space + "answers = 3"),
      "node.toml:5: spaces[0].answers: expected one [[spaces.answers]] table for each bounded "
      "counter, not an integer");
  EXPECT_EQ(
      refusal(space + "[[spaces.answers]]\nkeep = 1"),
      "node.toml:5: spaces[0].answers[0].counter: is missing; every [[spaces.answers]] needs a "
      "counter");
  EXPECT_EQ(refusal(space + "[[spaces.answers]]\ncounter = 7"),
            "node.toml:6: spaces[0].answers[0].counter: expected a path, such as counter = "
            "\"/a/b\", not an integer");
  EXPECT_EQ(
      refusal(space + "[[spaces.answers]]\ncounter = \"/counter:x\""),
      "node.toml:6: spaces[0].answers[0].counter: expected the path of a bounded counter below "
      "maps, such as /stock/tokens");
  EXPECT_EQ(refusal(space + "[[spaces.answers]]\ncounter = \"/x\"\nkeep = -1"),
            "node.toml:7: spaces[0].answers[0].keep: expected a whole number, at least 0, not an "
            "integer");
  EXPECT_EQ(refusal(space + "[[spaces.answers]]\ncounter = \"/x\"\nkep = 1"),
            "node.toml:7: spaces[0].answers[0].kep: unknown key; did you mean \"keep\"?");
  EXPECT_EQ(refusal(space + "[[spaces.answers]]\ncounter = \"/x\"\n[[spaces.answers]]\n"
                            "counter = \"/x\""),
            "node.toml:8: spaces[0].answers[1].counter: /bounded_counter:x is named twice");
}

TEST(Config, the_shipped_example_is_valid) {  // runs in the root of the repository
  auto options = NodeOptions::from_toml_file("examples/node.toml");
  ASSERT_TRUE(options) << options.error().to_string();
  EXPECT_EQ(options->name, "frankfurt");
}

TEST(Config, an_unknown_key_is_named_with_its_line_and_the_nearest_known_one) {
  EXPECT_EQ(refusal("name = \"a\"\n\nexchange_intervall_ms = 5"),
            "node.toml:3: exchange_intervall_ms: unknown key; did you mean "
            "\"exchange_interval_ms\"?");
  EXPECT_EQ(refusal("name = \"a\"\n[[spaces]]\nname = \"x\"\ndurabel = true"),
            "node.toml:4: spaces[0].durabel: unknown key; did you mean \"durable\"?");
}

TEST(Config, a_key_unlike_any_known_one_lists_them_all) {
  EXPECT_EQ(refusal("name = \"a\"\n[[spaces]]\nname = \"x\"\nretention_policy = 1"),
            "node.toml:4: spaces[0].retention_policy: unknown key; known here: name, durable, "
            "answers");
}

TEST(Config, a_wrong_type_is_named_with_its_line_and_what_was_expected) {
  EXPECT_EQ(refusal("name = 7"),
            "node.toml:1: name: expected a string, such as name = \"...\", not an integer");
  EXPECT_EQ(refusal("name = \"a\"\npeer_timeout_ms = \"5 s\""),
            "node.toml:2: peer_timeout_ms: expected a whole number of milliseconds, at least 1, "
            "not a string");
  EXPECT_EQ(refusal("name = \"a\"\nmembers = [\"a\", 3]"),
            "node.toml:2: members: expected a list of strings, such as members = [\"a\", \"b\"], "
            "not an integer");
  EXPECT_EQ(refusal("name = \"a\"\npeers = [\"b\"]"),
            "node.toml:2: peers: expected a table of name = \"endpoint\", such as [peers], not an "
            "array");
  EXPECT_EQ(refusal("name = \"a\"\n[peers]\nb = 7000"),
            "node.toml:3: peers.b: expected a string, such as b = \"...\", not an integer");
  EXPECT_EQ(refusal("name = \"a\"\n[spaces]\nname = \"x\""),
            "node.toml:2: spaces: expected one [[spaces]] table for each space, not a table");
  EXPECT_EQ(refusal("name = \"a\"\ndirectory = \"d\"\n[[spaces]]\nname = \"x\"\ndurable = \"yes\""),
            "node.toml:5: spaces[0].durable: expected true or false, not a string");
}

TEST(Config, an_overlay_is_read_and_what_cannot_work_is_refused) {
  const auto options = NodeOptions::from_toml(R"(
    name = "a"
    listen = "tcp://*:7000"
    [overlay]
    advertise = "tcp://10.0.0.7:7000"
    region = "europe"
    neighbours = 7
  )");
  ASSERT_TRUE(options) << options.error().to_string();
  ASSERT_TRUE(options->overlay);
  EXPECT_EQ(options->overlay->advertise, "tcp://10.0.0.7:7000");
  EXPECT_EQ(options->overlay->region, "europe");
  EXPECT_EQ(options->overlay->neighbours, 7);
  EXPECT_FALSE(options->overlay->leaf);
  EXPECT_EQ(refusal("name = \"a\"\nlisten = \"tcp://*:7000\"\n[overlay]"),
            "node.toml:2: listen: others cannot dial tcp://*:7000; say at which address they can, "
            "with advertise in [overlay]");
  EXPECT_EQ(refusal("name = \"a\"\nlisten = \"\"\n[overlay]"),
            "node.toml:2: listen: a node that does not listen is a leaf; set leaf = true in "
            "[overlay]");
  EXPECT_EQ(
      refusal("name = \"a\"\n[overlay]\nleaf = true"),
      "node.toml:3: overlay.leaf: a leaf must know somebody to dial; give it a [peers] table");
  EXPECT_EQ(refusal("name = \"a\"\nmembers = [\"a\"]\n[overlay]"),
            "node.toml:2: members: an [overlay] finds the members: leave this out");
  EXPECT_EQ(refusal("name = \"a\"\n[overlay]\nneighbours = 65"),
            "node.toml:3: overlay.neighbours: must be between 1 and 64");
  EXPECT_EQ(refusal("name = \"a\"\n[overlay]\nseeds = 1"),
            "node.toml:3: overlay.seeds: unknown key; known here: advertise, region, leaf, "
            "neighbours");
  EXPECT_EQ(refusal("name = \"a\"\n[overlay]\nregion = \"a\\u0007b\""),
            "node.toml:3: overlay.region: holds control characters");
}

TEST(Config, a_number_out_of_range_is_refused_where_it_stands) {
  for (const char* number : {"0", "-1", "2147483648", "1.5"}) {
    const std::string said = refusal("name = \"a\"\nexchange_interval_ms = " + std::string(number));
    EXPECT_TRUE(said.starts_with("node.toml:2: exchange_interval_ms: expected a whole number"))
        << number << ": " << said;
  }
}

TEST(Config, text_that_is_not_toml_is_refused_with_its_line) {
  EXPECT_TRUE(refusal("name = \"a\"\nlisten = ").starts_with("node.toml:2: "));
  EXPECT_TRUE(refusal("name = \"a\"\nname = \"b\"").starts_with("node.toml:2: "));
}

TEST(Config, values_that_cannot_work_are_refused_with_their_line) {
  EXPECT_EQ(refusal("cluster = \"c\""), "node.toml: name: a name is missing; set name = \"...\"");
  EXPECT_EQ(refusal("name = \"a\"\nlisten = \"localhost:7\""),
            "node.toml:2: listen: \"localhost:7\" is no endpoint; expected one like "
            "tcp://10.0.0.7:7000");
  EXPECT_EQ(refusal("name = \"a\"\n[peers]\na = \"tcp://127.0.0.1:1\""),
            "node.toml:3: peers.a: this is the node's own name");
  EXPECT_EQ(refusal("name = \"a\"\nmembers = [\"b\"]"),
            "node.toml:2: members: must name every member, this node (a) included");
  EXPECT_EQ(refusal("name = \"a\"\nmembers = [\"a\", \"b\", \"b\"]"),
            "node.toml:2: members: b is named twice");
  EXPECT_EQ(refusal("name = \"a\"\nlog_level = \"loud\""),
            "node.toml:2: log_level: \"loud\" is none; expected trace, debug, info, warn, error or "
            "off");
  for (const char* listen :
       {"9464", "127.0.0.1", "localhost:9464", "127.0.0.1:", "127.0.0.1:9464s", "127.0.0.1:65536",
        "127.0.0.1:1,127.0.0.1:2", "::1:9464", "[1]:9464"}) {
    EXPECT_EQ(refusal("name = \"a\"\n[metrics]\nlisten = \"" + std::string(listen) + "\""),
              "node.toml:3: metrics.listen: \"" + std::string(listen) +
                  "\" is no address and port; expected one like 127.0.0.1:9464 or [::1]:9464");
  }
  EXPECT_EQ(refusal("name = \"a\"\n[metrics]\nport = 9464"),
            "node.toml:3: metrics.port: unknown key; known here: listen");
  EXPECT_EQ(refusal("name = \"a\"\nmetrics = true"),
            "node.toml:2: metrics: expected a table, [metrics], not a boolean");
  EXPECT_EQ(refusal("name = \"a\"\nlog_format = \"xml\""),
            "node.toml:2: log_format: \"xml\" is none; expected text or json");
  EXPECT_EQ(refusal("name = \"a\"\n[[spaces]]\nname = \"x\""),
            "node.toml:3: spaces[0].name: the durable space \"x\" needs a store; set directory, or "
            "durable = false");
  EXPECT_EQ(refusal("name = \"a\"\n[[spaces]]\nname = \"x\"\ndurable = false\n[[spaces]]\n"
                    "name = \"x\"\ndurable = false"),
            "node.toml:6: spaces[1].name: \"x\" is named twice");
  EXPECT_EQ(refusal("name = \"a\"\n[[spaces]]\ndurable = false"),
            "node.toml:2: spaces[0].name: is missing; every [[spaces]] needs a name");
}

TEST(Config, a_missing_file_is_named) {
  auto options = NodeOptions::from_toml_file("/nonexistent/node.toml");
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().code, ErrorCode::not_found);
  EXPECT_EQ(options.error().to_string(),
            "not_found at /nonexistent/node.toml: cannot read the config file: No such file or "
            "directory");
}

TEST(CausalToken, survives_its_text_form_and_nothing_else_parses) {
  Clock clock;
  clock.set(ReplicaId::from_words(1, 2), 3);
  clock.set(ReplicaId::from_words(~0ull, 5), 1ull << 40);
  const CausalToken token("sessions", clock);
  const std::string text = token.to_string();
  EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "-_."),
            std::string::npos)
      << text;
  auto parsed = CausalToken::parse(text);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->space(), "sessions");
  EXPECT_EQ(parsed->clock(), clock);

  EXPECT_FALSE(CausalToken::parse(""));
  EXPECT_FALSE(CausalToken::parse("rj1."));
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(CausalToken::parse(text.substr(0, length))) << "cut to " << length;
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (char c : {'A', 'b', '7', '_', ' ', '\0'}) {
      std::string damaged = text;
      if (std::exchange(damaged[at], c) == c) continue;
      EXPECT_FALSE(CausalToken::parse(damaged)) << "changed at " << at;
    }
  }
}

}  // namespace
}  // namespace rejoin::node
