#include "world/recorder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rejoin/crdt/json.h"
#include "rejoin/transport/message.h"

namespace rejoin::simulation {

namespace {

constexpr std::size_t reading_bytes_max = 60;
constexpr std::size_t listed_max = 6;  // events or digests of one message

// The cell or map that a change at `path` is seen in: what lies below a set, a list, ... is part
// of it.
Path visible(const Path& path) {
  std::vector<Step> steps;
  for (const Step& step : path.steps()) {
    steps.push_back(step);
    if (step.type != Type::map) break;
  }
  return Path(std::move(steps));
}

std::string shown(const std::string& space, const Path& path) {
  std::string text = space + " ";
  for (const Step& step : path.steps()) {
    text += '/' + (step.key.is_string() ? std::string(step.key.as_string()) : step.key.to_string());
  }
  return text + " (" + std::string(to_string(path.type())) + ')';
}

std::string reading(const Document& document, const Path& path) {
  if (path.type() == Type::map) return document.exists(path) ? "is there" : "is gone";
  const auto json = to_json(document, path);
  if (!json.ok()) return "is gone";
  std::string text = json->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > reading_bytes_max) {
    text.resize(reading_bytes_max);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) {
      text.pop_back();
    }
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();
    text += "...";
  }
  return "reads " + text;
}

std::string range_of(const Event& event) {
  std::string text = Dot{event.writer(), event.first()}.to_string();
  if (event.last() != event.first()) text += '-' + std::to_string(event.last());
  return text;
}

// Bodies in words.
struct Words {
  std::string operator()(const transport::Hello& hello) const {
    if (hello.answer == 0) return "asks who is there";
    return hello.challenge == 0 ? "answers a hello" : "answers a hello, and asks who is there";
  }
  std::string operator()(const transport::Summary& summary) const {
    return "sum of " + std::to_string(summary.spaces) + " spaces " +
           summary.of_all.to_string().substr(0, 8);
  }
  std::string operator()(const transport::Digests& digests) const {
    std::string text;
    for (const auto& digest : digests.digests) {
      if (text.size() > 200) return text + ", ...";
      text += (text.empty() ? "" : ", ") + digest.space + ": clock " +
              digest.clock.to_string().substr(0, 8) + ", state " +
              digest.state.to_string().substr(0, 8);
    }
    return text;
  }
  std::string operator()(const transport::ClockReport& report) const {
    return report.space + ": applied " + report.applied.to_string() + ", durable " +
           report.durable.to_string() + ", state " + report.state.to_string().substr(0, 8) +
           (report.want_reply ? ", wants a reply" : "") + (report.gap ? ", has a gap" : "") +
           (report.puzzled ? ", does not understand the last one" : "") +
           (report.retired == StateHash{}
                ? ""
                : ", leaves out " + report.retired.to_string().substr(0, 8));
  }
  std::string operator()(const transport::Events& events) const {
    std::string text = events.space + ':';
    for (std::size_t i = 0; i < events.events.size(); ++i) {
      if (i == listed_max) {
        return text + " and " + std::to_string(events.events.size() - i) + " more events";
      }
      text += (i == 0 ? " " : ", ") + range_of(*events.events[i]);
    }
    return text;
  }
  std::string operator()(const transport::Ack& ack) const {
    return ack.space + ": durable " + ack.durable.to_string();
  }
  std::string operator()(const transport::Chunk& chunk) const {
    return chunk.space + ": transfer " + std::to_string(chunk.transfer) + ", bytes " +
           std::to_string(chunk.offset) + " to " +
           std::to_string(chunk.offset + chunk.bytes.size()) + " of " +
           std::to_string(chunk.total_bytes);
  }
  std::string operator()(const transport::ChunkAck& ack) const {
    return ack.space + ": transfer " + std::to_string(ack.transfer) + ", has the first " +
           std::to_string(ack.received) + " bytes";
  }
  std::string operator()(const transport::Sketch& sketch) const {
    return sketch.space + ": symbols from " + std::to_string(sketch.from) + " on of " +
           std::to_string(sketch.cells) + " cells at " + sketch.clock.to_string();
  }
  std::string operator()(const transport::SketchAnswer& answer) const {
    return answer.space + ": " +
           (answer.done ? "wants " + std::to_string(answer.wanted.size()) + " cells"
                        : "has " + std::to_string(answer.have) + " symbols");
  }
  std::string operator()(const transport::Neighbour& neighbour) const {
    switch (neighbour.step) {
      case transport::Neighbour::Step::ask:
        return neighbour.urgent ? "wants it as a neighbour, urgently" : "wants it as a neighbour";
      case transport::Neighbour::Step::accept:
        return "takes it as a neighbour";
      case transport::Neighbour::Step::refuse:
        return "has neighbours enough";
      case transport::Neighbour::Step::part:
        return "is not its neighbour any more";
    }
    return {};
  }
  std::string operator()(const transport::WantHistory& want) const {
    return "wants history of " + std::to_string(want.missing.size()) + " writers";
  }
  std::string operator()(const transport::History& history) const {
    return "history: " + std::to_string(history.events.size()) + " events";
  }
  std::string operator()(const transport::Rumours& rumours) const {
    constexpr const char* lives[] = {" is alive", " is suspected", " is dead"};
    std::string text;
    for (const auto& rumour : rumours.rumours) {
      if (text.size() > 200) return text + ", ...";
      text += (text.empty() ? "" : ", ") + rumour.member + lives[static_cast<int>(rumour.life)] +
              " at " + std::to_string(rumour.number);
    }
    return text;
  }
  std::string operator()(const transport::Reject& reject) const { return reject.reason; }
};

void add(std::vector<Recording::PathIndex>& to, const std::vector<Recording::PathIndex>& paths) {
  for (const auto path : paths) {
    if (std::find(to.begin(), to.end(), path) == to.end()) to.push_back(path);
  }
}

}  // namespace

std::string words_of_message(std::string_view bytes) {
  const auto message = transport::decode(bytes);
  return message.ok() ? std::visit(Words(), message->body) : message.error().message;
}

Recorder::Recorder(Recording& into, std::vector<std::string> nodes, const EventQueue& queue)
    : into_(into), queue_(queue) {
  into_ = Recording();
  into_.nodes = std::move(nodes);
}

std::string Recorder::contents_of(std::string_view bytes,
                                  std::vector<Recording::PathIndex>& paths) const {
  const auto message = transport::decode(bytes);
  if (!message.ok()) return message.error().message;
  if (const auto* events = std::get_if<transport::Events>(&message->body)) {
    for (const auto& event : events->events) {
      const auto written = paths_of_.find(event->id());
      if (written != paths_of_.end()) add(paths, written->second);
    }
  }
  return std::visit(Words(), message->body);
}

std::size_t Recorder::sent(NodeIndex from, NodeIndex to, const char* kind, std::string_view bytes) {
  Recording::Message message;
  message.from = from;
  message.to = to;
  message.sent = message.ended = queue_.now();
  message.kind = kind;
  message.bytes = bytes.size();
  message.contents = contents_of(bytes, message.paths);
  into_.messages.push_back(std::move(message));
  return into_.messages.size() - 1;
}

std::size_t Recorder::sent_again(std::size_t message) {
  into_.messages.push_back(into_.messages[message]);
  into_.messages.back().copy = true;
  return into_.messages.size() - 1;
}

void Recorder::ended(std::size_t message, Recording::Fate fate) {
  into_.messages[message].ended = queue_.now();
  into_.messages[message].fate = fate;
}

Recording::PathIndex Recorder::index_of(const std::string& path) {
  const auto [found, is_new] =
      path_indices_.try_emplace(path, static_cast<Recording::PathIndex>(into_.paths.size()));
  if (is_new) into_.paths.push_back(path);
  return found->second;
}

void Recorder::committed(NodeIndex node, const std::string& space, const Event& event) {
  std::string who(event.author());
  if (who.empty()) who = "the node itself";
  mark(Recording::MarkKind::commit, node, who + " writes " + range_of(event));
  untold_[{node, space}].push_back(into_.marks.size() - 1);
  written_by_[into_.marks.size() - 1] = event.id();
}

void Recorder::learned(NodeIndex node, const std::string& space, const Document& document,
                       const std::vector<Path>& paths) {
  std::vector<Recording::PathIndex> indices;
  std::vector<std::string> readings;
  for (const Path& path : paths) {
    const Path cell = visible(path);
    const auto index = index_of(shown(space, cell));
    if (std::find(indices.begin(), indices.end(), index) != indices.end()) continue;
    indices.push_back(index);
    readings.push_back(reading(document, cell));
  }
  if (indices.empty()) return;
  // What was committed since the last call is what has changed; else it came from elsewhere.
  auto commits = std::exchange(untold_[{node, space}], {});
  if (commits.empty()) {
    mark(Recording::MarkKind::learned, node,
         handling_ < 0 ? "learns"
                       : "learns from " +
                             into_.nodes[into_.messages[static_cast<std::size_t>(handling_)].from]);
    into_.marks.back().cause = handling_;
    commits.push_back(into_.marks.size() - 1);
  }
  for (const std::size_t commit : commits) {
    into_.marks[commit].paths = indices;
    into_.marks[commit].readings = readings;
    const auto event = written_by_.find(commit);
    if (event != written_by_.end()) add(paths_of_[event->second], indices);
  }
}

void Recorder::mark(Recording::MarkKind kind, NodeIndex node, std::string text) {
  Recording::Mark mark;
  mark.kind = kind;
  mark.node = node;
  mark.at = queue_.now();
  mark.text = std::move(text);
  into_.marks.push_back(std::move(mark));
}

void Recorder::begin(Recording::SpanKind kind, std::vector<NodeIndex> nodes, bool disk_lost) {
  open_spans_.push_back(into_.spans.size());
  into_.spans.push_back({kind, std::move(nodes), queue_.now(), queue_.now(), disk_lost});
}

void Recorder::end(Recording::SpanKind kind, const std::vector<NodeIndex>& nodes) {
  const auto open = std::find_if(open_spans_.rbegin(), open_spans_.rend(), [&](std::size_t span) {
    return into_.spans[span].kind == kind && into_.spans[span].nodes == nodes;
  });
  if (open == open_spans_.rend()) return;
  into_.spans[*open].to = queue_.now();
  open_spans_.erase(std::next(open).base());
}

void Recorder::moment(std::string text) {
  into_.moments.push_back({queue_.now(), std::move(text)});
}

void Recorder::finish() {
  into_.ended = queue_.now();
  for (const std::size_t span : open_spans_) into_.spans[span].to = queue_.now();
  for (auto& message : into_.messages) {
    if (message.fate == Recording::Fate::under_way) message.ended = queue_.now();
  }
}

}  // namespace rejoin::simulation
