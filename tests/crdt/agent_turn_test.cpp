#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "generators.h"
#include "rejoin/crdt/agent/turn.h"

namespace rejoin::agent {
namespace {

Turn valid_turn() {
  Turn turn;
  turn.role = Role::assistant;
  turn.content = "It leaves at nine.";
  turn.tool_calls = {{"c1", "find_train", R"({"to":"Kassel"})"}};
  turn.attachments = {*ContentHash::parse("sha256:" + std::string(64, 'a'))};
  turn.author = "frankfurt";
  turn.time_millis = 1700000000000;
  turn.id = "s/4";
  return turn;
}

ErrorCode code_of(const Result<Value>& result) {
  EXPECT_FALSE(result.ok());
  return result.ok() ? ErrorCode::io : result.error().code;
}

RC_GTEST_PROP(AgentTurn, a_turn_reads_as_it_was_written, ()) {
  Turn turn;
  turn.role = *rc::gen::element(Role::system, Role::user, Role::assistant, Role::tool);
  if (*rc::gen::arbitrary<bool>()) turn.content = *generators::utf8();
  turn.author = *generators::utf8();
  turn.id = *generators::utf8();
  turn.name = *generators::utf8();
  turn.tool_call_id = *generators::utf8();
  turn.time_millis = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 62);
  if (turn.role == Role::assistant) {
    const auto names = *rc::gen::container<std::vector<std::string>>(generators::utf8());
    for (const std::string& name : names) turn.tool_calls.push_back({name, "n" + name, name});
  }
  const auto encoded = encode_turn(turn);
  if (!encoded) {
    RC_ASSERT(encoded.error().code == ErrorCode::limit_exceeded);
    return;
  }
  RC_ASSERT(decode_turn(*encoded) == turn);
}

TEST(AgentTurn, the_record_is_json_with_sorted_keys_and_without_what_is_empty) {
  Turn turn;
  turn.role = Role::user;
  turn.content = "Hi \"there\"";
  turn.author = "a";
  EXPECT_EQ(encode_turn(turn).value(),
            Value(R"({"author":"a","content":"Hi \"there\"","role":"user"})"));
}

TEST(AgentTurn, an_unknown_role_is_refused_by_name) {
  const auto role = parse_role("wizard");
  ASSERT_FALSE(role.ok());
  EXPECT_EQ(role.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(role.error().message.find("wizard"), std::string::npos);
  EXPECT_FALSE(parse_role("unknown").ok());
  EXPECT_FALSE(parse_role("").ok());

  Turn turn = valid_turn();
  turn.role = Role::unknown;
  EXPECT_EQ(code_of(encode_turn(turn)), ErrorCode::invalid_argument);
  turn.role = static_cast<Role>(77);
  EXPECT_EQ(code_of(encode_turn(turn)), ErrorCode::invalid_argument);
}

TEST(AgentTurn, text_that_is_not_utf8_is_refused_in_every_field) {
  const std::string bad = "\xC3(";
  for (auto spoil : std::initializer_list<void (*)(Turn&, const std::string&)>{
           [](Turn&t, const std::string&s) { t.content = s; },
           [](Turn&t, const std::string&s) { t.author = s; },
           [](Turn&t, const std::string&s) { t.id = s; },
           [](Turn&t, const std::string&s) { t.name = s; },
           [](Turn&t, const std::string&s) { t.tool_call_id = s; },
           [](Turn&t, const std::string&s) { t.tool_calls[0].id = s; },
           [](Turn&t, const std::string&s) { t.tool_calls[0].name = s; },
           [](Turn&t, const std::string&s) { t.tool_calls[0].arguments = s; }}) {
    Turn turn = valid_turn();
    spoil(turn, bad);
    EXPECT_EQ(code_of(encode_turn(turn)), ErrorCode::invalid_argument);
  }
}

TEST(AgentTurn, labels_have_a_limit_and_content_has_not) {
  Turn turn = valid_turn();
  turn.author = std::string(label_bytes_max, 'a');
  turn.content = std::string(100'000, 'c');
  EXPECT_TRUE(encode_turn(turn).ok());
  turn.author += 'a';
  EXPECT_EQ(code_of(encode_turn(turn)), ErrorCode::limit_exceeded);
}

TEST(AgentTurn, only_assistants_call_tools_and_every_call_and_attachment_names_one) {
  Turn turn = valid_turn();
  turn.role = Role::user;
  EXPECT_EQ(code_of(encode_turn(turn)), ErrorCode::invalid_argument);
  turn.role = Role::assistant;
  turn.attachments = {ContentHash()};
  EXPECT_EQ(code_of(encode_turn(turn)), ErrorCode::invalid_argument);
  turn.attachments.clear();
  turn.tool_calls[0].name.clear();
  EXPECT_EQ(code_of(encode_turn(turn)), ErrorCode::invalid_argument);
}

TEST(AgentTurn, what_a_newer_writer_wrote_is_read_as_far_as_it_is_understood) {
  const Turn turn = decode_turn(Value(
      R"({"role":"critic","content":"Hm.","author":7,"time":-1,"mood":{"x":[1]},"attachments":[1,"x"],)"
      R"("tool_calls":[3,{"name":"f","id":null,"cost":2}]})"));
  EXPECT_EQ(turn.role, Role::unknown);
  EXPECT_EQ(turn.role_name, "critic");
  EXPECT_EQ(turn.content, "Hm.");
  EXPECT_EQ(turn.author, "");
  EXPECT_EQ(turn.time_millis, 0u);
  ASSERT_EQ(turn.tool_calls.size(), 1u);
  EXPECT_EQ(turn.tool_calls[0], (ToolCall{"", "f", ""}));
}

TEST(AgentTurn, any_value_reads_as_a_turn_of_unknown_role) {
  for (const Value& value : {Value("not json {"), Value("[1,2]"), Value("1e999"), Value(5), Value(),
                             Value(std::string(100'000, '[')), Value::bytes("\xff")}) {
    const Turn turn = decode_turn(value);
    EXPECT_EQ(turn.role, Role::unknown);
    EXPECT_TRUE(turn.content.has_value()) << value.to_string().substr(0, 50);
  }
}

TEST(AgentTurn, a_request_to_write_one_is_read_strictly) {
  const auto refused = [](const char* text, const std::string& names) {
    const auto turn = turn_from_json(nlohmann::json::parse(text));
    if (turn.ok()) return false;
    return turn.error().code == ErrorCode::invalid_argument &&
           turn.error().message.find(names) != std::string::npos;
  };
  EXPECT_TRUE(refused(R"({"role":"wizard"})", "wizard"));
  EXPECT_TRUE(refused(R"({"content":"x"})", "role"));
  EXPECT_TRUE(refused(R"({"role":"user","contents":"x"})", "contents"));
  EXPECT_TRUE(refused(R"({"role":"user","content":5})", "content"));
  EXPECT_TRUE(refused(R"({"role":"user","author":null})", "author"));
  EXPECT_TRUE(refused(R"({"role":"user","time":-1})", "time"));
  EXPECT_TRUE(refused(R"({"role":"user","time":1.5})", "time"));
  EXPECT_TRUE(refused(R"({"role":"user","attachments":"x"})", "attachments"));
  EXPECT_TRUE(refused(R"({"role":"user","attachments":["x"]})", "content hash"));
  EXPECT_TRUE(refused(R"({"role":"user","attachments":[1]})", "content hash"));
  EXPECT_TRUE(refused(R"({"role":"assistant","tool_calls":{}})", "tool_calls"));
  EXPECT_TRUE(refused(R"({"role":"assistant","tool_calls":[1]})", "tool call"));
  EXPECT_TRUE(refused(R"({"role":"assistant","tool_calls":[{"nam":"f"}]})", "nam"));
  EXPECT_TRUE(refused(R"({"role":"user","tool_calls":[{"name":"f"}]})", "user"));
  EXPECT_TRUE(refused("[]", "object"));

  const Turn wanted = valid_turn();
  const auto record = nlohmann::json::parse(std::string(encode_turn(wanted)->as_string()));
  const auto read = turn_from_json(record);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, wanted);
  EXPECT_EQ(
      turn_from_json(nlohmann::json::parse(R"({"role":"assistant","content":null})"))->content,
      std::nullopt);
}

}  // namespace
}  // namespace rejoin::agent
