// Fills a Recording while a run goes on. Asked for through Trace: there is none when nobody looks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rejoin/crdt/document.h"
#include "rejoin/crdt/event.h"
#include "rejoin/simulation/recording.h"
#include "world/event_queue.h"

namespace rejoin::simulation {

// What a message says, in words.
std::string words_of_message(std::string_view bytes);

class Recorder {
 public:
  Recorder(Recording& into, std::vector<std::string> nodes, const EventQueue& queue);

  // Gives the message's index.
  std::size_t sent(NodeIndex from, NodeIndex to, const char* kind, std::string_view bytes);
  std::size_t sent_again(std::size_t message);  // a copy that takes its own time
  void ended(std::size_t message, Recording::Fate fate);
  // What nodes learn until the next call came with this message; -1: with none.
  void handling(std::ptrdiff_t message) { handling_ = message; }

  // What it wrote is told by the node's next learned().
  void committed(NodeIndex node, const std::string& space, const Event& event);
  // These paths of the document have changed there.
  void learned(NodeIndex node, const std::string& space, const Document& document,
               const std::vector<Path>& paths);
  void mark(Recording::MarkKind kind, NodeIndex node, std::string text);
  void begin(Recording::SpanKind kind, std::vector<NodeIndex> nodes, bool disk_lost = false);
  void end(Recording::SpanKind kind, const std::vector<NodeIndex>& nodes);  // the last one alike
  void moment(std::string text);
  void explain(std::string text) { into_.explanations.push_back(std::move(text)); }
  void finish();

 private:
  Recording::PathIndex index_of(const std::string& path);
  std::string contents_of(std::string_view bytes, std::vector<Recording::PathIndex>& paths) const;

  Recording& into_;
  const EventQueue& queue_;
  std::map<std::string, Recording::PathIndex> path_indices_;
  std::map<std::pair<NodeIndex, std::string>, std::vector<std::size_t>> untold_;  // commits
  std::map<std::size_t, Dot> written_by_;                      // the event of each commit's mark
  std::map<Dot, std::vector<Recording::PathIndex>> paths_of_;  // by event
  std::vector<std::size_t> open_spans_;
  std::ptrdiff_t handling_ = -1;
};

}  // namespace rejoin::simulation
