// `rejoin feed`: what changes in a space of a running node, one JSON line an event, from where the
// last run stopped; printed, or published to a topic of Kafka.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "answer_fields.h"
#include "command.h"
#include "kafka/publisher.h"
#include "running_space.h"

namespace rejoin::command {
namespace {

using nlohmann::json;

constexpr int steps_a_request = 1000;
constexpr int follow_timeout_ms = 10'000;

struct FeedOptions {
  RunningSpace place;
  std::string cursor;
  std::string cursor_file;
  bool follow = false;
  KafkaOptions kafka;  // printed where it names no topic
  std::int64_t confirm_within_s = 60;
};

// Empty where there is no such file yet.
std::string read_cursor(const std::string& file) {
  std::string cursor;
  std::getline(std::ifstream(file) >> std::ws, cursor);
  return cursor;
}

// A reader finds the former one or this one, whole.
Status write_cursor(const std::string& file, const std::string& cursor) {
  const std::string written = file + ".new";
  std::ofstream out(written, std::ios::trunc);
  out << cursor << "\n";
  out.close();
  if (out && std::rename(written.c_str(), file.c_str()) == 0) return {};
  return make_error(ErrorCode::io,
                    std::string("the cursor cannot be written: ") + std::strerror(errno) +
                        "; choose another place with --cursor-file",
                    file);
}

std::string line_of(const json& step) {
  return step.dump(-1, ' ', false, json::error_handler_t::replace);
}

Status print(const std::vector<json>& steps) {
  for (const json& step : steps) std::cout << line_of(step) << "\n";
  std::cout.flush();
  if (std::cout) return {};
  return make_error(ErrorCode::io, "the output cannot be written");
}

// Names a step for ever, so that whoever gets it twice can tell.
std::string key_of(const std::string& space, const json& step) {
  if (!step.contains("missing")) return space + "/" + text_of(step, "event");
  const json missing = object_of(step, "missing");
  return space + "/missing/" + text_of(missing, "replica") + ":" +
         number_text(integer_of(missing, "first")) + "-" + number_text(integer_of(missing, "last"));
}

// `done`: how many of the steps, the first, are where they should be.
Status publish(KafkaPublisher& kafka, const std::string& space, const std::vector<json>& steps,
               std::size_t& done) {
  std::vector<KafkaMessage> messages;
  for (const json& step : steps) messages.push_back({key_of(space, step), line_of(step)});
  return kafka.publish(messages, done);
}

int run_feed(const FeedOptions& options) {
  std::unique_ptr<KafkaPublisher> kafka;
  if (!options.kafka.topic.empty()) {
    auto opened = KafkaPublisher::open(options.kafka);
    if (!opened) return fail(opened.error());
    kafka = *std::move(opened);
  }
  std::string cursor = options.cursor;
  if (!options.cursor_file.empty()) cursor = read_cursor(options.cursor_file);
  auto client = options.place.node.connect();
  if (!client) return fail(client.error());
  json request{{"command", "feed"}, {"limit", steps_a_request}};
  auto whole = options.place.request(*client, std::move(request));
  if (!whole) return fail(whole.error());
  while (true) {
    (*whole)["cursor"] = cursor;
    (*whole)["timeout_ms"] = options.follow ? follow_timeout_ms : 0;
    const auto answer = client->call(*whole);
    if (!answer) return fail(answer.error());
    const std::vector<json> steps = objects_of(*answer, "steps");
    std::size_t done = steps.size();
    const Status given =
        kafka ? publish(*kafka, text_of(*whole, "space"), steps, done) : print(steps);
    if (done > 0) cursor = text_of(steps[done - 1], "cursor");
    if (done > 0 && !options.cursor_file.empty()) {
      if (auto kept = write_cursor(options.cursor_file, cursor); !kept) return fail(kept.error());
    }
    if (!given) return fail(given.error());
    if (steps.empty() && !options.follow) return exit_done;
  }
}

}  // namespace

void add_feed_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "feed", "Print every event of a space of a running node, one JSON line each");
  auto options = std::make_shared<FeedOptions>();
  options->place.node.add_options(*command);
  command
      ->add_option("--space", options->place.space, "The space (needless where the node has one)")
      ->type_name("NAME");
  auto* cursor =
      command->add_option("--from", options->cursor, "Begin behind the line with this cursor")
          ->type_name("CURSOR");
  command
      ->add_option("--cursor-file", options->cursor_file,
                   "Go on where the cursor in this file says, and keep it there")
      ->type_name("FILE")
      ->excludes(cursor);
  command->add_flag("--follow", options->follow, "Wait for more, until interrupted");
  auto* brokers = command
                      ->add_option("--kafka", options->kafka.brokers,
                                   "Publish the lines to Kafka; these brokers are asked first")
                      ->type_name("HOST:PORT,...");
  auto* topic = command->add_option("--topic", options->kafka.topic, "The topic to publish to")
                    ->type_name("NAME")
                    ->needs(brokers);
  brokers->needs(topic);
  command
      ->add_option("--partition", options->kafka.partition,
                   "Its partition: events keep their order within one")
      ->type_name("NUMBER")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->needs(topic);
  command
      ->add_option("--kafka-option", options->kafka.settings,
                   "A setting of librdkafka, such as security.protocol=ssl; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->needs(topic);
  command
      ->add_option("--confirm-within", options->confirm_within_s,
                   "Give up when Kafka has confirmed nothing for so many seconds")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str()
      ->needs(topic);
  command->footer(
      "For spaces with history = \"full\" (docs/history.md). Events come in an order that "
      "respects\n"
      "what they depend on. The cursor is kept after the lines are written: after a crash some\n"
      "come again, none is left out. A line with `missing` names writes that came without their\n"
      "events: read the state anew. In Kafka a message's key is the space's name and the event's;\n"
      "what comes again has the same key, and the cursor is kept once the brokers have "
      "confirmed.\n\n"
      "Examples:\n"
      "  rejoin feed --config node.toml > events.jsonl\n"
      "  rejoin feed --config node.toml --follow --cursor-file index.cursor | my-indexer\n"
      "  rejoin feed --config node.toml --follow --cursor-file bus.cursor \\\n"
      "      --kafka broker1:9092,broker2:9092 --topic sessions\n\n"
      "Exit codes: 0 done, 1 no node answers there, it cannot tell, or Kafka refuses, 2 wrong "
      "usage.");
  command->callback([options, &exit_code] {
    options->kafka.confirm_within = std::chrono::seconds(options->confirm_within_s);
    exit_code = run_feed(*options);
  });
}

}  // namespace rejoin::command
