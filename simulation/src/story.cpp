#include "rejoin/simulation/story.h"

#include <algorithm>
#include <string_view>

#include "seconds.h"

namespace rejoin::simulation {

namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  return text;
}

class Teller {
 public:
  explicit Teller(const Recording& recording) : recording_(recording) {}

  std::vector<StoryLine> tell(const RunResult& result) {
    beginning();
    for (const auto& span : recording_.spans) tell(span);
    for (const auto& mark : recording_.marks) tell(mark);
    for (const auto& message : recording_.messages) tell(message);
    for (const auto& moment : recording_.moments) {
      add(StoryLine::Kind::moment, moment.at, moment.text);
    }
    if (!result.ok) {
      for (const auto& line : recording_.explanations) {
        add(StoryLine::Kind::note, result.failed_at, line);
      }
      add(StoryLine::Kind::failure, result.failed_at,
          result.failure + ". This breaks the promise that " +
              std::string(meaning(*result.promise)) + '.');
    }
    // Where times are equal: what went wrong, then what was done, then what it led to.
    std::stable_sort(lines_.begin(), lines_.end(),
                     [](const StoryLine& a, const StoryLine& b) { return a.at < b.at; });
    return std::move(lines_);
  }

 private:
  void add(StoryLine::Kind kind, Duration at, std::string text) {
    lines_.push_back({kind, at, std::move(text)});
  }
  const std::string& name(NodeIndex node) const { return recording_.nodes[node]; }
  std::vector<std::string> names(const std::vector<NodeIndex>& nodes) const {
    std::vector<std::string> all;
    for (const NodeIndex node : nodes) all.push_back(name(node));
    return all;
  }

  void beginning() {
    const auto verb = recording_.nodes.size() == 1 ? " starts" : " start";
    add(StoryLine::Kind::process, Duration(0), listed(recording_.nodes) + verb);
  }

  void tell(const Recording::Span& span) {
    using Kind = Recording::SpanKind;
    const std::string& first = name(span.nodes.front());
    const auto both = [&](StoryLine::Kind kind, const std::string& begin, const std::string& end) {
      add(kind, span.from, begin);
      if (span.to < recording_.ended) add(kind, span.to, end);
    };
    switch (span.kind) {
      case Kind::down:
        add(StoryLine::Kind::process, span.from,
            first + (span.disk_lost ? " crashes and loses its disk" : " crashes"));
        break;
      case Kind::paused:
        both(StoryLine::Kind::process, first + " stands still", first + " goes on");
        break;
      case Kind::partition: {
        std::vector<std::string> others;
        for (const auto& node : recording_.nodes) {
          const auto side = names(span.nodes);
          if (std::find(side.begin(), side.end(), node) == side.end()) others.push_back(node);
        }
        const std::string side = listed(names(span.nodes));
        both(StoryLine::Kind::fault,
             side + (span.nodes.size() == 1 ? " is" : " are") + " cut off from " + listed(others),
             side + (span.nodes.size() == 1 ? " reaches " : " reach ") + listed(others) + " again");
        break;
      }
      case Kind::one_way: {
        const std::string way = "from " + first + " to " + name(span.nodes.back());
        both(StoryLine::Kind::fault, "nothing gets " + way + " any more, only back",
             "messages get " + way + " again");
        break;
      }
      case Kind::disk_failure:
        both(StoryLine::Kind::fault, first + "'s disk refuses writes",
             first + "'s disk takes writes again");
        break;
      case Kind::read_error:
        both(StoryLine::Kind::fault, first + "'s disk cannot be read now and then",
             first + "'s disk can be read again");
        break;
      case Kind::slow_sync:
        both(StoryLine::Kind::fault, first + "'s disk is slow", first + "'s disk is quick again");
        break;
      case Kind::lying_sync:
        both(StoryLine::Kind::fault, first + "'s disk says that it has synced, and does not",
             first + "'s disk syncs again");
        break;
      case Kind::link_cut: {
        const std::string ends = listed(names(span.nodes));
        both(StoryLine::Kind::fault, ends + " are cut off from each other",
             ends + " reach each other again");
        break;
      }
      case Kind::flapping: {
        const std::string link = "the link of " + listed(names(span.nodes));
        both(StoryLine::Kind::fault, link + " is on and off", link + " stays on again");
        break;
      }
      case Kind::slow_drip: {
        const std::string link = "the link of " + listed(names(span.nodes));
        both(StoryLine::Kind::fault, link + " carries a few bytes a second",
             link + " is as fast as before");
        break;
      }
      case Kind::other_version:
        both(StoryLine::Kind::process, first + " speaks another version of the protocol",
             first + " speaks the same version as the others again");
        break;
      case Kind::priority_schedule: {
        const std::string what = "what " + listed(names(span.nodes)) + " send and write";
        both(StoryLine::Kind::fault, what + " takes turns by priority",
             what + " is as fast as before");
        break;
      }
      case Kind::slow:
        both(StoryLine::Kind::process, first + " works in moments only, and stands still between",
             first + " works as fast as it should");
        break;
    }
  }

  std::string readings(const Recording::Mark& mark) const {
    std::string text;
    for (std::size_t i = 0; i < mark.paths.size(); ++i) {
      text += (i == 0 ? ": " : "; ") + recording_.paths[mark.paths[i]] + ' ' + mark.readings[i];
    }
    return text;
  }

  void tell(const Recording::Mark& mark) {
    using Kind = Recording::MarkKind;
    switch (mark.kind) {
      case Kind::commit:
        add(StoryLine::Kind::write, mark.at, mark.text + " at " + name(mark.node) + readings(mark));
        break;
      case Kind::learned: {
        std::string how = name(mark.node) + ' ' + mark.text;
        if (mark.cause >= 0) {
          const auto& message = recording_.messages[static_cast<std::size_t>(mark.cause)];
          how += std::string(" (") + message.kind + " sent at " + seconds(message.sent) + ')';
        }
        add(StoryLine::Kind::learn, mark.at, how + readings(mark));
        break;
      }
      case Kind::start:
        if (mark.at == Duration(0)) break;  // told in the beginning
        add(StoryLine::Kind::process, mark.at, name(mark.node) + ' ' + mark.text);
        break;
      case Kind::clock_jump:
      case Kind::disk:
        add(StoryLine::Kind::fault, mark.at, "at " + name(mark.node) + ' ' + mark.text);
        break;
      case Kind::durable:
      case Kind::refused_write:
        break;
    }
  }

  void tell(const Recording::Message& message) {
    using Fate = Recording::Fate;
    if (message.fate == Fate::delivered || message.fate == Fate::under_way) return;
    const std::string_view kind = message.kind;
    if (kind != "events" && kind != "chunk") return;
    add(StoryLine::Kind::loss, message.ended,
        std::string(kind) + " from " + name(message.from) + " to " + name(message.to) +
            (message.copy ? " (a copy)" : "") + ": " + to_string(message.fate) + " (" +
            message.contents + ')');
  }

  const Recording& recording_;
  std::vector<StoryLine> lines_;
};

bool may_be_left_out(const StoryLine& line) {
  return line.kind == StoryLine::Kind::write || line.kind == StoryLine::Kind::learn ||
         line.kind == StoryLine::Kind::loss || line.kind == StoryLine::Kind::note;
}

}  // namespace

const char* to_string(StoryLine::Kind kind) {
  switch (kind) {
    case StoryLine::Kind::note:
      return "note";
    case StoryLine::Kind::process:
      return "process";
    case StoryLine::Kind::fault:
      return "fault";
    case StoryLine::Kind::write:
      return "write";
    case StoryLine::Kind::learn:
      return "learn";
    case StoryLine::Kind::loss:
      return "loss";
    case StoryLine::Kind::moment:
      return "moment";
    case StoryLine::Kind::failure:
      return "failure";
  }
  return "unknown";
}

std::vector<StoryLine> tell(const Recording& recording, const RunResult& result,
                            std::size_t lines_max) {
  std::vector<StoryLine> lines = Teller(recording).tell(result);
  if (lines.size() <= lines_max) return lines;
  std::size_t too_many = lines.size() - lines_max;
  std::size_t left_out = 0;
  Duration until{0};
  std::erase_if(lines, [&](const StoryLine& line) {
    if (left_out == too_many || !may_be_left_out(line)) return false;
    ++left_out;
    until = line.at;
    return true;
  });
  const auto after = std::find_if(lines.begin(), lines.end(),
                                  [&](const StoryLine& line) { return line.at >= until; });
  lines.insert(after, {StoryLine::Kind::note, until,
                       "(" + std::to_string(left_out) +
                           " writes, and what others learned of them, are left out until here)"});
  return lines;
}

}  // namespace rejoin::simulation
