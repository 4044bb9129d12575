#include "world/network.h"

#include <algorithm>
#include <utility>

#include "rejoin/crdt/hash.h"

namespace rejoin::simulation {

namespace {

// How long after the faults' end a message from before may still arrive.
constexpr Duration stalled_max = std::chrono::seconds(10);

void spoil(std::string& bytes, Random& random) {
  switch (random.below(5)) {
    case 0:  // a bit
      if (!bytes.empty()) {
        const auto at = random.below(bytes.size());
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      }
      break;
    case 1: {  // a run of bytes
      if (bytes.empty()) break;
      const auto at = random.below(bytes.size());
      const auto length = std::min<std::uint64_t>(random.between(1, 16), bytes.size() - at);
      for (std::uint64_t i = 0; i < length; ++i)
        bytes[at + i] = static_cast<char>(random.below(256));
      break;
    }
    case 2:  // the end is missing
      bytes.resize(bytes.empty() ? 0 : random.below(bytes.size()));
      break;
    case 3:  // something follows
      for (auto n = random.between(1, 32); n > 0; --n) {
        bytes.push_back(static_cast<char>(random.below(256)));
      }
      break;
    default: {  // noise
      bytes.resize(random.below(256));
      for (auto& byte : bytes) byte = static_cast<char>(random.below(256));
    }
  }
}

}  // namespace

Network::Network(const NetworkOptions& options, std::vector<std::string> names, Random random,
                 EventQueue& queue, PrioritySchedule& schedule, Trace& trace, Deliver deliver)
    : options_(options),
      names_(std::move(names)),
      random_(random),
      queue_(queue),
      schedule_(schedule),
      trace_(trace),
      deliver_(std::move(deliver)),
      links_(names_.size() * names_.size()),
      blocked_(links_.size()) {
  slow_ = random_.draw(options_.slow);
  loss_ = random_.draw(options_.loss);
  duplicate_ = random_.draw(options_.duplicate);
  reorder_ = random_.draw(options_.reorder);
  corrupt_ = random_.draw(options_.corrupt);
  bandwidth_ = random_.draw(options_.bandwidth);
  const auto node = [&](const std::string& name) {
    return static_cast<NodeIndex>(std::find(names_.begin(), names_.end(), name) - names_.begin());
  };
  for (const auto& link : options_.links) {
    const NodeIndex first = node(link.nodes[0]), second = node(link.nodes[1]);
    stated_[index_of(first, second)] = {link.up.content.get(), link.stays, link.up_delay};
    stated_[index_of(second, first)] = {link.down.content.get(), link.stays, link.down_delay};
  }
}

// Each direction has a luck of its own: what is sent elsewhere changes nothing here.
Random Network::random_of(NodeIndex from, NodeIndex to) const {
  return random_.fork(hash_bytes(names_[from] + '>' + names_[to]).low);
}

Network::Link Network::make_link(NodeIndex from, NodeIndex to) const {
  Link link;
  Random own = random_of(from, to);
  const Range<Duration> median = median_delay(from, to);
  link.median = own.draw(median);
  link.luck = Luck(own);
  if (from < to && !options_.asymmetric && median == median_delay(to, from)) {
    link.median = random_of(to, from).draw(median);  // both ways alike
  }
  if (const auto stated = stated_.find(index_of(from, to)); stated != stated_.end()) {
    link.recording = stated->second.recording;
    link.stays = stated->second.stays;
  }
  return link;
}

Range<Duration> Network::median_delay(NodeIndex from, NodeIndex to) const {
  if (const auto stated = stated_.find(index_of(from, to)); stated != stated_.end()) {
    if (stated->second.delay) return *stated->second.delay;
  }
  const auto region_from = options_.region.find(names_[from]);
  const auto region_to = options_.region.find(names_[to]);
  if (region_from == options_.region.end() || region_to == options_.region.end()) {
    return options_.delay;
  }
  return Range<Duration>::of(
      options_.regions.content->one_way(region_from->second, region_to->second));
}

void Network::calm() {
  calm_ = true;
  slow_ = loss_ = duplicate_ = reorder_ = corrupt_ = Share{0};
  // Connections that stalled are made anew: nobody waits behind a message from before, and what is
  // still under way on them after a while is lost. (The queue of a recorded link stays.)
  for (const auto& line : links_) {
    if (line) line->last_arrival = queue_.now();
  }
  calmed_at_ = queue_.now();
}

void Network::begin_drip(NodeIndex from, NodeIndex to, std::uint64_t bytes_per_second) {
  Link& line = link(from, to);
  ++line.drips;
  line.drip = bytes_per_second;
}

void Network::end_drip(NodeIndex from, NodeIndex to) {
  Link& line = link(from, to);
  if (--line.drips > 0) return;
  ++line.connection;
  line.free_at = line.last_arrival = queue_.now();
}

// One draw in any case, so that bursts change nothing else of a message's luck.
bool Network::draw_loss(Link& link, Random& random) const {
  if (options_.loss_burst <= 1 || loss_ == Share{0} || loss_.ppm >= Share::whole) {
    return random.chance(loss_);
  }
  const std::uint64_t ends = Share::whole / options_.loss_burst;
  const std::uint64_t begins = ends * loss_.ppm / (Share::whole - loss_.ppm);
  const std::uint64_t bad = link.bad ? Share::whole - ends : begins;
  link.bad =
      random.chance(Share{static_cast<std::uint32_t>(std::min<std::uint64_t>(bad, Share::whole))});
  return link.bad;
}

std::optional<Duration> Network::departure(Link& link, std::uint64_t bytes) const {
  const bool drips = link.drips > 0;
  if (link.recording != nullptr && (!calm_ || link.stays) && !drips) {
    return recorded_departure(link, bytes);
  }
  const std::uint64_t rate = drips ? link.drip : bandwidth_;
  if (rate == 0) return queue_.now();
  const Duration start = std::max(queue_.now(), link.free_at);
  const auto waiting = static_cast<std::uint64_t>((start - queue_.now()).count());
  if (waiting > options_.queue_bytes * 1'000'000 / rate) return std::nullopt;
  link.free_at = start + Duration(static_cast<std::int64_t>(bytes * 1'000'000 / rate));
  return link.free_at;
}

// Between now and the last opportunity that is taken all are taken: a link that has something to
// carry misses none.
std::optional<Duration> Network::recorded_departure(Link& link, std::uint64_t bytes) const {
  constexpr std::uint64_t each = LinkTrace::opportunity_bytes;
  const std::uint64_t next = link.recording->first_from(queue_.now());
  if (link.opportunity < next) {
    link.opportunity = next;
    link.filled = 0;
  }
  const std::uint64_t waiting = (link.opportunity - next) * each + link.filled;
  if (waiting > options_.queue_bytes) return std::nullopt;
  const std::uint64_t end = link.filled + std::max<std::uint64_t>(bytes, 1);
  link.opportunity += (end - 1) / each;
  link.filled = (end - 1) % each + 1;
  return link.recording->at(link.opportunity);
}

Duration Network::draw_delay(const Link& link, Random& random) {
  auto delay =
      random.lognormal(static_cast<std::uint64_t>(link.median.count()), options_.spread_ppm);
  if (random.chance(slow_)) delay = random.pareto(delay, options_.slow_alpha_ppm);
  return Duration(static_cast<std::int64_t>(delay));
}

void Network::send(NodeIndex from, NodeIndex to, std::string bytes, const char* kind) {
  ++counters_.sent;
  counters_.bytes += bytes.size();
  Recorder* const recorder = trace_.recorder();
  const std::size_t recorded = recorder == nullptr ? 0 : recorder->sent(from, to, kind, bytes);
  Link& line = link(from, to);
  Random random = line.luck.at(queue_.now());
  const bool lost = draw_loss(line, random);
  const bool reordered = random.chance(reorder_);
  const bool duplicated = random.chance(duplicate_);
  const bool spoiled = random.chance(corrupt_);
  const bool cut = blocked(from, to);
  if (cut || lost) {
    ++counters_.lost;
    trace(cut ? "cut" : "lose", from, to, bytes, kind);
    if (recorder != nullptr) {
      recorder->ended(recorded, cut ? Recording::Fate::cut : Recording::Fate::lost);
    }
    return;
  }
  const auto departs = departure(line, bytes.size());
  if (!departs) {
    ++counters_.lost;
    trace("full", from, to, bytes, kind);
    if (recorder != nullptr) recorder->ended(recorded, Recording::Fate::dropped);
    return;
  }
  Duration arrival = *departs + draw_delay(line, random);
  const bool held = !reordered && schedule_.holds({from, to});
  if (reordered) {
    arrival += draw_delay(line, random);
  } else {
    arrival = std::max(held ? *departs : arrival, line.last_arrival);
    line.last_arrival = arrival;
  }
  if (duplicated) {
    ++counters_.duplicated;
    queue_.at(arrival + draw_delay(line, random),
              arrival_of(from, to, bytes, kind, false,
                         recorder == nullptr ? 0 : recorder->sent_again(recorded)));
  }
  if (spoiled) {
    ++counters_.corrupted;
    spoil(bytes, random);
  }
  auto arrive = arrival_of(from, to, std::move(bytes), kind, spoiled, recorded);
  held ? schedule_.hold({from, to}, arrival, std::move(arrive))
       : queue_.at(arrival, std::move(arrive));
}

EventQueue::Action Network::arrival_of(NodeIndex from, NodeIndex to, std::string bytes,
                                       const char* kind, bool spoiled, std::size_t recorded) {
  const bool from_before = !calm_;
  return [this, from, to, bytes = std::move(bytes), kind, spoiled, recorded, from_before,
          connection = link(from, to).connection]() mutable {
    Recorder* const recorder = trace_.recorder();
    const bool abandoned = from_before && calm_ && queue_.now() > calmed_at_ + stalled_max;
    if (blocked(from, to) || abandoned || connection != link(from, to).connection) {
      ++counters_.lost;
      trace("cut", from, to, bytes, kind);
      if (recorder != nullptr) recorder->ended(recorded, Recording::Fate::cut);
      return;
    }
    trace(spoiled ? "spoiled" : "deliver", from, to, bytes, kind);
    if (recorder != nullptr) recorder->handling(static_cast<std::ptrdiff_t>(recorded));
    const bool received = deliver_(from, to, std::move(bytes));
    ++(received ? counters_.delivered : counters_.lost);
    if (recorder == nullptr) return;
    recorder->handling(-1);
    recorder->ended(recorded, !received ? Recording::Fate::refused
                              : spoiled ? Recording::Fate::damaged
                                        : Recording::Fate::delivered);
  };
}

void Network::trace(const char* what, NodeIndex from, NodeIndex to, const std::string& bytes,
                    const char* kind) {
  if (!trace_.enabled()) return;
  trace_.line(queue_.now(), std::string(what) + ' ' + names_[from] + '>' + names_[to] + ' ' + kind +
                                ' ' + std::to_string(bytes.size()) + "B " +
                                brief(hash_bytes(bytes)));
}

}  // namespace rejoin::simulation
