#include "world/host.h"

#include <algorithm>
#include <utility>

#include "counter_names.h"

namespace rejoin::simulation {

namespace {

constexpr std::size_t held_messages_max = 1000;  // as many as a socket would queue
constexpr std::uint64_t slow_sync_factor = 100;
constexpr std::int64_t epoch_micros = 1'750'000'000'000'000;

std::string durable_words(const std::map<std::string, Clock>& clocks) {
  std::string words;
  for (const auto& [space, clock] : clocks) {
    words += (words.empty() ? "durable: " : "; ") + space + ' ' + clock.to_string();
  }
  return words;
}

}  // namespace

Host::Host(NodeIndex index, HostOptions options, HostServices& services, Random random)
    : index_(index),
      options_(std::move(options)),
      services_(services),
      random_(random),
      disk_luck_(random),
      disk_(make_disk(options_.disk.store, options_.disk,
                      [this] { return disk_luck_.at(services_.queue.now()); })) {
  sync_median_ = random_.draw(options_.disk.sync);
  wall_skew_ = options_.wall_skew;
  boot_ = Duration(static_cast<std::int64_t>(random_.between(0, 1'000'000'000)));
  for (const auto& space : services_.spaces) spaces_[space.name];
}

node::Now Host::local_now() const {
  const std::int64_t now = services_.queue.now().count();
  const std::int64_t run = now + now * options_.drift_ppm / 1'000'000;
  node::Now local;
  local.monotonic = boot_ + Duration(run);
  local.wall_millis = static_cast<std::uint64_t>((epoch_micros + run + wall_skew_.count()) / 1'000);
  return local;
}

// The earliest virtual time at which the local clock shows `monotonic`.
Duration Host::virtual_time_of(Duration monotonic) const {
  const std::int64_t run = (monotonic - boot_).count();
  std::int64_t at = run - run * options_.drift_ppm / (1'000'000 + options_.drift_ppm);
  while (at + at * options_.drift_ppm / 1'000'000 < run) ++at;
  return Duration(at);
}

void Host::trace(const std::string& text) {
  if (services_.trace.enabled()) services_.trace.line(services_.queue.now(), text);
}

void Host::mark(Recording::MarkKind kind, const std::string& text) {
  if (Recorder* recorder = services_.trace.recorder()) recorder->mark(kind, index_, text);
}

bool Host::start() {
  auto stored = disk_->load();
  const auto disk_fails = [&] {
    if (stored.ok()) return false;
    const ErrorCode code = stored.error().code;
    const bool refuses = code == ErrorCode::io || code == ErrorCode::disk_full;
    return (refuses && disk_->has(DiskFault::refuses_writes)) ||
           (code == ErrorCode::io && disk_->has(DiskFault::unreadable));
  };
  while (!disk_fails() && judge(stored, false)) stored = disk_->load();
  if (disk_fails()) {
    trace("no_start " + name());
    mark(Recording::MarkKind::disk, "cannot start: " + stored.error().message);
    services_.observer.count("starts refused by the disk", 1);
    return false;
  }
  if (!stored.ok()) return true;
  keeps_unacknowledged_ = false;  // it is shown from now on, and was made safe before
  disk_->found_whole();
  for (auto& [space_name, space] : spaces_) space.clock = space.on_disk;
  last_time_ = last_time_on_disk_;
  ++life_;
  node::CoreOptions options = options_.core;
  Random ids = random_.fork(life_);
  for (auto& word : options.random_seed) word = ids.next();
  core_ = std::make_unique<node::Core>(std::move(options), local_now());
  answers_ = {};
  timer_at_ = Duration::max();

  const bool uncertain = disk_->uncertain();
  for (auto& space : *stored) {
    const std::string space_name = space.name;
    if (auto status = core_->open_space(std::move(space), local_now()); !status.ok()) {
      services_.observer.broken(Promise::durability, name() + " cannot open its stored space " +
                                                         space_name + ": " +
                                                         status.error().to_string());
      return true;
    }
  }
  for (const auto& space : services_.spaces) {
    if (core_->has_space(space.name)) continue;
    node::SpaceOptions space_options;
    space_options.durable = space.durable;
    if (auto status = core_->open_space(space.name, space_options, local_now()); !status.ok()) {
      services_.observer.broken(
          Promise::invariants,
          name() + " cannot open a new space " + space.name + ": " + status.error().to_string());
      return true;
    }
  }
  for (auto& [space_name, space] : spaces_) space.document = &core_->document(space_name);
  trace("start " + name() + (uncertain ? " uncertain" : ""));
  if (Recorder* recorder = services_.trace.recorder()) {
    recorder->end(Recording::SpanKind::down, {index_});
    mark(Recording::MarkKind::start,
         uncertain ? "starts, unsure whether its disk kept its last writes" : "starts");
    for (const auto& space : services_.spaces) core_->track_changes(space.name, true);
  }
  core_->tick(local_now());
  pump();
  return true;
}

// A process that was restarted holds what its disk had acknowledged, and at most the batch that was
// under way when it died. A disk that lied, or is damaged, may have lost more. That damage shows,
// in an error or in doubt; a lie need not.
bool Host::judge(Result<std::vector<node::StoredSpace>>& stored, bool lied) {
  const bool damaged = disk_->damaged();
  const auto betrayed = [&](const std::string& how) {
    ++disk_betrayals_;
    services_.observer.count(how, 1);
    last_time_on_disk_ = HybridTime();
    trace("betrayed " + name() + ": " + how);
    mark(Recording::MarkKind::disk, how);
  };
  if (!stored.ok()) {
    if (stored.error().code != ErrorCode::corrupt || !(lied || damaged)) {
      services_.observer.broken(
          Promise::durability,
          name() + " cannot load what its own disk kept: " + stored.error().to_string());
      return false;
    }
    betrayed("stores set aside");
    disk_->wipe();
    for (auto& [space_name, space] : spaces_) space.on_disk = Clock();
    return true;
  }
  std::map<std::string, const node::StoredSpace*> by_name;
  for (const auto& space : *stored) by_name[space.name] = &space;
  const auto clock_of = [&](const std::string& space) {
    const auto found = by_name.find(space);
    return found == by_name.end() ? Clock() : found->second->document.clock_with_retired();
  };
  const auto holds = [&](const auto& expected) {
    return std::ranges::all_of(services_.spaces, [&](const Workload::Space& space) {
      return !space.durable || clock_of(space.name) == expected(space.name);
    });
  };
  if (holds([&](const std::string& space) { return spaces_.at(space).on_disk; })) {
    return false;
  }
  if (unacknowledged_ &&
      holds([&](const std::string& space) { return unacknowledged_->clocks.at(space); })) {
    note_durable(*unacknowledged_);
    keeps_unacknowledged_ = true;
    return false;
  }
  const bool doubted = std::ranges::all_of(
      *stored, [](const node::StoredSpace& space) { return space.last_writes_uncertain; });
  for (const auto& space : services_.spaces) {
    if (!space.durable) continue;
    SpaceView& view = spaces_.at(space.name);
    const Clock found = clock_of(space.name);
    if (!lied && !(damaged && doubted)) {
      if (found == view.on_disk) continue;
      services_.observer.broken(Promise::durability, name() + " restarted with " +
                                                         found.to_string() + " in " + space.name +
                                                         ", but its disk had acknowledged " +
                                                         view.on_disk.to_string());
      return false;
    }
    const auto kept = by_name.find(space.name);
    view.on_disk = found;
    if (kept == by_name.end()) continue;
    const ReplicaId& writer = kept->second->replica;
    const Sequence last = found.get(writer);
    if (view.ever_on_disk.get(writer) > last) view.forgotten_after = {writer, last};
  }
  betrayed(doubted ? "acknowledged writes lost in doubt" : "acknowledged writes lost unnoticed");
  return false;
}

bool Host::may_write() const {
  return std::ranges::none_of(spaces_, [](const auto& entry) {
    const SpaceView& space = entry.second;
    return !space.forgotten_after.replica.is_nil() && space.forgotten_after.replica == space.writer;
  });
}

void Host::crash(bool keep_disk) {
  ++life_;
  const bool lied = disk_->has(DiskFault::lies);
  const auto left = disk_->crash(writing_ ? writing_->batch.get() : nullptr);
  if (left == Disk::Left::and_under_way) note_durable(*writing_);
  if (left == Disk::Left::to_be_found_out && keep_disk) {
    auto found = disk_->look();
    judge(found, lied);
  }
  writing_.reset();
  unacknowledged_.reset();
  write_done_while_paused_ = false;
  if (Recorder* recorder = services_.trace.recorder()) {
    if (paused_ && pause_recorded_) recorder->end(Recording::SpanKind::paused, {index_});
    recorder->begin(Recording::SpanKind::down, {index_}, !keep_disk);
  }
  paused_ = false;
  held_.clear();
  add(past_counters_, core_->counters());
  core_.reset();
  if (!keep_disk) {
    disk_->wipe();
    for (auto& [name, space] : spaces_) space.on_disk = Clock();
  }
  last_time_ = last_time_on_disk_ = keep_disk ? last_time_on_disk_ : HybridTime();
  for (auto& [name, space] : spaces_) {
    space.clock = space.on_disk;
    space.document = nullptr;
  }
  trace(std::string(keep_disk ? "crash " : "disk_loss ") + name());
}

void Host::pause(bool recorded) {
  paused_ = true;
  pause_recorded_ = recorded;
  if (Recorder* recorder = services_.trace.recorder(); recorder != nullptr && recorded) {
    recorder->begin(Recording::SpanKind::paused, {index_});
  }
  trace("pause " + name());
}

void Host::resume() {
  paused_ = false;
  trace("resume " + name());
  if (Recorder* recorder = services_.trace.recorder(); recorder != nullptr && pause_recorded_) {
    recorder->end(Recording::SpanKind::paused, {index_});
  }
  if (write_done_while_paused_) {
    write_done_while_paused_ = false;
    finish_writing();
  }
  std::deque<Waiting> held;
  held.swap(held_);
  for (auto& message : held) {
    core_->receive(message.from, message.bytes, local_now());
    pump();
  }
  core_->tick(local_now());
  pump();
}

bool Host::receive(const std::string& from, std::string bytes) {
  if (!up()) return false;
  if (paused_) {
    if (held_.size() >= held_messages_max) return false;
    held_.push_back({from, std::move(bytes)});
    return true;
  }
  core_->receive(from, bytes, local_now());
  pump();
  return true;
}

Result<node::Committed> Host::transact(const std::string& space, const std::string& author,
                                       const std::function<Status(Transaction&)>& write) {
  auto committed = core_->transact(space, author, {}, write, local_now());
  if (committed.ok() && committed->event != nullptr) check_time(space, *committed->event);
  if (committed.ok() && committed->event != nullptr && services_.trace.enabled()) {
    trace("commit " + name() + ' ' + space + ' ' + committed->event->id().to_string());
  }
  if (committed.ok() && committed->event != nullptr && services_.trace.recorder() != nullptr) {
    services_.trace.recorder()->committed(index_, space, *committed->event);
  }
  services_.queue.after(Duration(0), [this, life = life_] {
    if (life == life_ && !paused_) pump();
  });
  return committed;
}

bool Host::take_out(const std::string& member) {
  const bool done = core_->remove_member(member, "operator", local_now()).ok();
  if (done) pump();
  return done;
}

void Host::meet(const std::string& peer) {
  options_.core.peers.push_back(peer);
  if (!up()) return;
  core_->add_peer(peer, local_now());
  if (!paused_) pump();
}

Status Host::answer_requests(const std::string& space, const node::AnswerRule& rule) {
  return answers_.add(space, rule);
}

// True when something was written.
bool Host::answer_requests() {
  const auto answers = answers_.run(
      *core_, [&](const std::string& space, const std::function<Status(Transaction&)>& write) {
        return core_->transact(space, {}, {}, write, local_now());
      });
  bool any = false;
  for (const auto& answer : answers) {
    if (answer.committed.ok() && answer.committed->event != nullptr) {
      check_time(answer.space, *answer.committed->event);
    }
    services_.observer.answered(*this, answer);
    any |= answer.committed.ok();
  }
  return any;
}

// Everything the core wants after an input. The observer hears of changes last, when the core is at
// rest, and may call back (transact) then.
void Host::pump() {
  do {
    pump_once();
  } while (may_write() && answer_requests());
  set_timer();
  look_for_changes();
}

void Host::pump_once() {
  for (auto& send : core_->take_sends()) {
    const auto to = services_.index_of.find(send.to);
    if (to == services_.index_of.end()) {
      services_.observer.broken(Promise::invariants,
                                name() + " sends to " + send.to + ", which nobody is called");
      return;
    }
    services_.observer.sending(*this, to->second, send);
    services_.network.send(index_, to->second, std::move(send.bytes), send.kind);
  }
  core_->take_dials();  // there is nothing to connect
  if (auto batch = core_->take_batch()) {
    if (writing_) {
      services_.observer.broken(Promise::invariants,
                                name() + " hands out a batch while one is being written");
      return;
    }
    begin_writing(std::move(batch));
  }
  for (const auto& notice : core_->take_notices()) {
    Recorder* const recorder = services_.trace.recorder();
    if (recorder != nullptr && notice.kind == node::Notice::Kind::changed) {
      recorder->learned(index_, notice.space, core_->document(notice.space), notice.paths);
    }
    services_.observer.notice(*this, notice);
    if (!notice.space.empty()) answers_.changed(notice.space);
  }
}

void Host::begin_writing(std::shared_ptr<const node::PersistBatch> batch) {
  Writing writing;
  if (unacknowledged_ && batch == unacknowledged_->batch) {
    writing = *unacknowledged_;  // refused before, and tried again
  } else {
    writing.batch = std::move(batch);
    for (const auto& space : services_.spaces) {
      if (space.durable)
        writing.clocks[space.name] = core_->document(space.name).clock_with_retired();
    }
    writing.last_time = last_time_;
  }
  unacknowledged_ = writing;
  writing_ = std::move(writing);
  auto delay =
      disk_luck_.at(services_.queue.now())
          .lognormal(static_cast<std::uint64_t>(sync_median_.count()), options_.disk.spread_ppm);
  auto written = [this, life = life_] {
    if (life != life_) return;
    if (paused_) {
      write_done_while_paused_ = true;
    } else {
      finish_writing();
    }
  };
  if (disk_->has(DiskFault::slow)) {
    delay *= slow_sync_factor;
  } else if (services_.schedule.holds({index_, index_})) {
    return services_.schedule.hold({index_, index_}, services_.queue.now(), std::move(written));
  }
  services_.queue.after(Duration(static_cast<std::int64_t>(delay)), std::move(written));
}

void Host::finish_writing() {
  const Writing writing = *std::move(writing_);
  writing_.reset();
  const Status outcome = disk_->write(*writing.batch);
  if (outcome.ok()) {
    note_durable(writing);
    unacknowledged_.reset();
    trace("durable " + name() + ' ' + std::to_string(writing.batch->ticket) + ' ' +
          std::to_string(writing.batch->log.size()) + " records " +
          std::to_string(writing.batch->checkpoints.size()) + " checkpoints");
    mark(Recording::MarkKind::durable, durable_words(writing.clocks));
  } else {
    const ErrorCode code = outcome.error().code;
    trace("refuse " + name() + ' ' + std::to_string(writing.batch->ticket));
    mark(Recording::MarkKind::refused_write,
         code == ErrorCode::disk_full ? "the disk is full" : "the disk refuses a write");
    const bool damage_shows = code == ErrorCode::corrupt && disk_->damaged();
    if (damage_shows) services_.observer.store_damaged(*this);
    if (!damage_shows && code != ErrorCode::disk_full && code != ErrorCode::io) {
      services_.observer.broken(
          Promise::durability,
          name() + " hands out a batch that its store cannot keep: " + outcome.error().to_string());
      return;
    }
  }
  core_->persisted(writing.batch->ticket, outcome, local_now());
  pump();
}

void Host::note_durable(const Writing& writing) {
  last_time_on_disk_ = writing.last_time;
  for (const auto& [space_name, clock] : writing.clocks) {
    SpaceView& space = spaces_.at(space_name);
    space.on_disk = clock;
    space.ever_on_disk.join(clock);
  }
}

void Host::look_for_changes() {
  for (auto& [space_name, space] : spaces_) {
    const Document& document = *space.document;
    if (document.self() != space.writer) {
      space.writer = document.self();
      services_.observer.writes_as(*this, space_name, space.writer);
    }
    const Dot& forgotten = space.forgotten_after;
    if (forgotten.replica == space.writer && !forgotten.replica.is_nil() &&
        document.clock_with_retired().get(forgotten.replica) > forgotten.sequence) {
      services_.observer.broken(Promise::durability,
                                name() + " goes on under " + forgotten.replica.short_name() +
                                    " in " + space_name +
                                    ", although it has heard of writes of its own that its disk "
                                    "lost after " +
                                    std::to_string(forgotten.sequence));
      return;
    }
    if (document.clock_with_retired() == space.clock) continue;
    services_.observer.clock_moved(*this, space_name);
    if (!up()) return;
    space.clock = document.clock_with_retired();
  }
}

void Host::check_time(const std::string& space, const Event& event) {
  const HybridTime time = event.time();
  const auto broken = [&](const std::string& why) {
    services_.observer.broken(Promise::times, name() + " writes " + event.id().to_string() +
                                                  " in " + space + " at " + time.to_string() +
                                                  ", " + why);
  };
  if (time <= last_time_) return broken("but wrote at " + last_time_.to_string() + " before");
  const std::uint64_t wall = std::max(latest_wall_millis_, local_now().wall_millis);
  // The logical part may run over into a further millisecond.
  const auto ahead = static_cast<std::uint64_t>(options_.core.clock_ahead_max.count()) + 1;
  if (time.millis() > wall + ahead) {
    return broken("although its clock never showed more than " + std::to_string(wall) + " ms");
  }
  const auto declared = std::ranges::find_if(
      services_.spaces, [&](const Workload::Space& one) { return one.name == space; });
  if (declared != services_.spaces.end() && declared->durable) last_time_ = time;
}

void Host::set_timer() {
  const Duration deadline = core_->next_deadline();
  if (deadline == Duration::max()) return;
  const Duration now = services_.queue.now();
  const Duration when = std::max(virtual_time_of(deadline), now + Duration(1));
  if (when >= timer_at_ && timer_at_ > now) return;  // the timer that is set comes first
  timer_at_ = when;
  services_.queue.at(when, [this, life = life_, when] {
    if (life != life_ || when != timer_at_) return;
    timer_at_ = Duration::max();
    if (paused_) return;
    core_->tick(local_now());
    pump();
  });
}

void add(node::CoreCounters& to, const node::CoreCounters& from) {
  for (const auto& [name, member] : counter_names) to.*member += from.*member;
}

}  // namespace rejoin::simulation
