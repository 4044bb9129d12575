#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "demo/input.h"

namespace rejoin::demo {
namespace {

using testing::HasSubstr;

constexpr std::size_t all = 1000;

std::string refusal(std::string_view text) {
  const auto sessions = parse_sessions(text, "in.jsonl", all);
  if (sessions.ok()) return "(accepted)";
  EXPECT_EQ(sessions.error().code, ErrorCode::malformed);
  return sessions.error().to_string();
}

const std::string good = R"({"session":"a","turns":[{"role":"user","content":"x"}]})";

TEST(DemoInput, a_session_is_read_with_its_tool_calls_and_user) {
  const auto sessions = parse_sessions(
      R"({"session":"t1","task":{"user_id":"mia"},"reward":0.5,"turns":[)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",)"
      R"("function":{"name":"find","arguments":"{\"x\":1}"}}]},)"
      R"({"role":"tool","tool_call_id":"c1","name":"find","content":"é"}]})"
      "\n\n" +
          good + "\r\n",
      "in.jsonl", all);
  ASSERT_TRUE(sessions.ok()) << sessions.error().to_string();
  ASSERT_EQ(sessions->size(), 2u);
  const InputSession& first = sessions->front();
  EXPECT_EQ(first.id, "t1");
  EXPECT_EQ(first.user, "mia");
  ASSERT_EQ(first.turns.size(), 2u);
  EXPECT_EQ(first.turns[0].content, std::nullopt);
  EXPECT_EQ(first.turns[0].tool_calls,
            (std::vector<agent::ToolCall>{{"c1", "find", R"({"x":1})"}}));
  EXPECT_EQ(first.turns[1].tool_call_id, "c1");
  EXPECT_EQ(first.turns[1].name, "find");
  EXPECT_EQ(first.turns[1].content, "é");
}

TEST(DemoInput, no_more_sessions_are_read_than_asked_for) {
  const auto sessions = parse_sessions(good + "\nthis would be an error\n", "in.jsonl", 1);
  ASSERT_TRUE(sessions.ok());
  EXPECT_EQ(sessions->size(), 1u);
}

TEST(DemoInput, an_error_names_the_line_and_turn_and_what_is_wrong_there) {
  EXPECT_THAT(refusal(good + "\n{\"session\":"), HasSubstr("in.jsonl, line 2: not JSON"));
  EXPECT_THAT(refusal("\n\n5"), HasSubstr("line 3"));
  EXPECT_THAT(refusal(good + "\n" + good), HasSubstr("line 2: session \"a\" was there already"));
  EXPECT_THAT(refusal(R"({"turns":[]})"), HasSubstr("\"session\""));
  EXPECT_THAT(refusal(R"({"session":"a"})"), HasSubstr("\"turns\""));
  EXPECT_THAT(refusal(R"({"session":"a","turns":[]})"), HasSubstr("\"turns\""));
  EXPECT_THAT(refusal(R"({"session":"a","turns":[{"role":"user"},{"role":"wizard"}]})"),
              HasSubstr("line 1, turn 2: unknown role 'wizard'"));
  EXPECT_THAT(refusal(R"({"session":"a","turns":[{"role":"user","content":7}]})"),
              HasSubstr("line 1, turn 1: \"content\""));
  EXPECT_THAT(refusal(R"({"session":"a","turns":[{"role":"assistant","tool_calls":[{}]}]})"),
              HasSubstr("tool call"));
  EXPECT_THAT(refusal(R"({"session":"a","turns":[{"role":"user","tool_calls":[)"
                      R"({"function":{"name":"f"}}]}]})"),
              HasSubstr("turn 1"));
  EXPECT_THAT(refusal("{\"session\":\"a\",\"turns\":[{\"role\":\"user\",\"content\":\"\xC3(\"}]}"),
              HasSubstr("line 1"));
  EXPECT_THAT(refusal(R"({"session":"a","reward":1e999,"turns":[{"role":"user"}]})"),
              HasSubstr("line 1"));
}

TEST(DemoInput, the_sample_has_sessions_of_all_roles) {
  const auto sessions = parse_sessions(sample_text(), "the sample", all);
  ASSERT_TRUE(sessions.ok()) << sessions.error().to_string();
  EXPECT_EQ(sessions->size(), 12u);
  std::set<agent::Role> roles;
  for (const InputSession& session : *sessions) {
    for (const agent::Turn& turn : session.turns) roles.insert(turn.role);
  }
  EXPECT_EQ(roles.size(), 4u);
}

class DemoInputFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "rejoin-input-XXXXXX").string();
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string compressed(const std::string& text) {
    const std::string path = (folder_ / "x.gz").string();
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::filesystem::path folder_;
};

TEST_F(DemoInputFile, plain_and_compressed_files_read_alike) {
  EXPECT_EQ(read_text(write("a.jsonl", good)).value(), good);
  EXPECT_EQ(read_text(write("a.jsonl.gz", compressed(good))).value(), good);
}

TEST_F(DemoInputFile, a_missing_or_empty_file_or_a_folder_is_an_error_that_names_it) {
  const auto missing = read_text((folder_ / "none").string());
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().to_string(), HasSubstr("none"));
  const auto empty = read_text(write("empty", " \n\n"));
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code, ErrorCode::malformed);
  EXPECT_THAT(empty.error().to_string(), HasSubstr("empty"));
  EXPECT_FALSE(read_text(folder_.string()).ok());
}

TEST_F(DemoInputFile, a_damaged_or_truncated_compressed_file_is_an_error) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += std::to_string(i * 7919);
  const std::string whole = compressed(text);
  const auto truncated = read_text(write("t.gz", whole.substr(0, whole.size() / 2)));
  ASSERT_FALSE(truncated.ok());
  EXPECT_EQ(truncated.error().code, ErrorCode::malformed);
  std::string flipped = whole;
  flipped[flipped.size() - 6] ^= 1;  // in the checksum
  const auto damaged = read_text(write("f.gz", flipped));
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::malformed);
}

}  // namespace
}  // namespace rejoin::demo
