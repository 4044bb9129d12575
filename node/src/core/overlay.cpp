// Members that come and go: who they are, with whom of them this node talks, and who is alive.
#include <algorithm>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/assert.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {

constexpr std::string_view endpoint_field = "endpoint";
constexpr std::string_view leaf_field = "leaf";
constexpr std::string_view region_field = "region";
// Each node asks for as many as it wants, so that it has twice as many on average: there must be
// room for those who come.
constexpr std::size_t neighbours_factor_max = 3;
constexpr Micros tend_delay = std::chrono::milliseconds(20);
// How long a candidate may take to answer, and how long until the same one is asked again.
constexpr int candidate_intervals = 2;
// How often one that is believed dead is asked whether it is, in exchange intervals.
constexpr int probe_intervals = 10;
// Who was refused so often in a row asks urgently.
constexpr int refusals_max = 8;
constexpr std::size_t referred_max = 64;
constexpr std::size_t referred_at_once = 4;

}  // namespace

bool Core::Impl::may_hear(const Peer& peer, const Replica& replica) const {
  return peer.is_member || replica.name == members_space || REJOIN_MUTATED(outsiders_take_part);
}

bool Core::Impl::hears(const Peer& peer, const Replica& replica, const Link& link) const {
  return !link.lacks && may_hear(peer, replica);
}

bool Core::Impl::has_full_mesh() const {
  return !overlay || overlay->members.size() <= mesh_members_max;
}

std::size_t Core::Impl::wanted_neighbours() const {
  std::size_t others = 0;
  for (const auto& [name, member] : overlay->members) {
    others += name != options.name && !member.leaf ? 1 : 0;
  }
  if (has_full_mesh() && !options.overlay->leaf) return others;
  return std::min(options.overlay->neighbours, others);
}

std::size_t Core::Impl::neighbours_max() const {
  return std::max(wanted_neighbours(), neighbours_factor_max * options.overlay->neighbours);
}

std::size_t Core::Impl::count_neighbours(bool leaves, bool candidates) const {
  return static_cast<std::size_t>(std::ranges::count_if(peers, [&](const auto& peer) {
    return peer->leaf == leaves && (peer->standing == Standing::neighbour ||
                                    (candidates && peer->standing == Standing::candidate));
  }));
}

// One that is no leaf; there must be one.
Peer& Core::Impl::drawn_neighbour() {
  std::vector<Peer*> all;
  for (const auto& peer : peers) {
    if (peer->standing == Standing::neighbour && !peer->leaf) all.push_back(peer.get());
  }
  REJOIN_ASSERT(!all.empty());
  return *all[random.below(all.size())];
}

// ---- Who the members are ----

void Core::Impl::read_members() {
  Replica* replica = find(members_space);
  if (!replica || !std::exchange(overlay->stale, false)) return;
  std::map<std::string, MemberStatus, std::less<>> members;
  for (const Child& child : replica->document.root().children()) {
    if (child.type != Type::map || !transport::is_valid_name(child.name)) continue;
    const MapView entry = replica->document.root().map(child.name);
    const std::optional<Value> endpoint = entry.reg(endpoint_field).get();
    const std::optional<Value> leaf = entry.reg(leaf_field).get();
    const std::optional<Value> region = entry.reg(region_field).get();
    MemberStatus member;
    member.name = child.name;
    if (endpoint && endpoint->is_string()) member.endpoint = endpoint->as_string();
    if (region && region->is_string()) member.region = region->as_string();
    member.leaf = leaf && leaf->is_bool() && leaf->as_bool();
    members.emplace(member.name, std::move(member));
  }
  const auto former = std::exchange(overlay->members, std::move(members));
  if (!REJOIN_MUTATED(one_taken_out_does_not_come_back) || former.empty()) enter_self();

  std::vector<std::string> names;
  for (const auto& [name, member] : overlay->members) names.push_back(name);
  if (names == options.members) return;
  options.members = names;
  overlay->liveness.set_members(names);
  refresh_view();
  tell_members_apart();
  for (const auto& peer : peers) {
    const bool was_taken_out =
        former.contains(peer->name) && !overlay->members.contains(peer->name);
    if (was_taken_out && peer->standing == Standing::neighbour) part(*peer, true);
  }
  for (const auto& open : replicas) {
    if (names.size() == 1 && open->identity == Identity::unconfirmed) {
      open->identity = Identity::confirmed;
    }
    forget_soon(*open);
  }
}

bool Core::Impl::is_member(const std::string& name) const {
  return overlay->members.contains(options.name) && overlay->members.contains(name);
}

// Together with the view, so that whatever was said under one was said before anybody outside of it
// could hear of a space, or be heard.
void Core::Impl::tell_members_apart() {
  for (const auto& peer : peers) {
    const bool is_one = is_member(peer->name);
    if (std::exchange(peer->is_member, is_one) == is_one) continue;
    if (!is_one) {
      forget(*peer);
      for (const auto& replica : replicas) replica->waiting.drop_from(peer->slot);
      continue;
    }
    peer->all_unagreed = true;
    if (peer->incarnation == 0) continue;
    for (const auto& replica : replicas) {
      if (replica->name != members_space) expect_takeover(*replica, *peer);
    }
    if (peer->alive) send_summary(*peer);
  }
}

// The space may come to lack this node: it is new, or was taken out while it was away.
void Core::Impl::enter_self() {
  const OverlayOptions& own = *options.overlay;
  const auto found = overlay->members.find(options.name);
  const bool is_member = found != overlay->members.end();
  const bool has_region = (is_member ? found->second.region : "") == own.region;
  const bool is_there = is_member && has_region && found->second.endpoint == own.endpoint &&
                        found->second.leaf == own.leaf;
  if (is_there || overlay->leaving) return;
  const auto written = transact(*find(members_space), options.name, "joins", [&](Transaction& t) {
    MapRef entry = t.root().map(options.name);
    if (Status status = entry.reg(endpoint_field).set(Value(own.endpoint)); !status.ok()) {
      return status;
    }
    if (!has_region) {
      if (Status status = entry.reg(region_field).set(Value(own.region)); !status.ok()) {
        return status;
      }
    }
    return entry.reg(leaf_field).set(Value(own.leaf));
  });
  if (!written.ok()) {  // the disk is slow, say
    overlay->stale = true;
    return tend_soon(options.exchange_interval);
  }
  overlay->members[options.name] =
      MemberStatus{options.name, own.endpoint, own.region, own.leaf, false, Life::alive};
}

void Core::set_endpoint(const std::string& endpoint, Now now) {
  impl_->now = now;
  REJOIN_ASSERT(impl_->overlay);
  impl_->options.overlay->endpoint = endpoint;
  impl_->overlay->stale = true;
  impl_->tend_soon(Micros{0});
}

Status Core::remove_member(const std::string& member, const std::string& author, Now now) {
  impl_->now = now;
  Replica* replica = impl_->overlay ? impl_->find(members_space) : nullptr;
  if (!replica || !replica->document.root().contains(member, Type::map)) {
    return make_error(ErrorCode::not_found, "this cluster has no such member", member);
  }
  const bool self = member == impl_->options.name;
  const auto written =
      impl_->transact(*replica, author, self ? "leaves" : "is taken out",
                      [&](Transaction& t) { return t.root().remove(member, Type::map); });
  if (!written.ok()) return written.error();
  if (self) impl_->overlay->leaving = true;
  return {};
}

std::vector<MemberStatus> Core::members() const {
  std::vector<MemberStatus> members;
  if (!impl_->overlay) return members;
  for (const auto& [name, member] : impl_->overlay->members) {
    members.push_back(member);
    members.back().life = impl_->overlay->liveness.of(name);
    const auto slot = impl_->slots.find(name);
    members.back().neighbour =
        slot != impl_->slots.end() && impl_->peers[slot->second]->standing == Standing::neighbour;
  }
  return members;
}

std::vector<AffinityCandidate> Core::affinity_candidates() const {
  std::vector<AffinityCandidate> candidates;
  if (impl_->overlay) {
    for (const auto& [name, member] : impl_->overlay->members) {
      if (member.leaf) continue;
      candidates.push_back({name, member.region, impl_->overlay->liveness.of(name) == Life::alive});
    }
    return candidates;
  }
  candidates.push_back({impl_->options.name, "", true});
  for (const auto& peer : impl_->peers) candidates.push_back({peer->name, "", peer->alive});
  return candidates;
}

std::vector<std::string> Core::neighbours() const {
  std::vector<std::string> names;
  for (const auto& peer : impl_->peers) {
    if (peer->configured && peer->standing == Standing::neighbour) names.push_back(peer->name);
  }
  return names;
}

std::vector<Dial> Core::take_dials() {
  return impl_->overlay ? std::exchange(impl_->overlay->dials, {}) : std::vector<Dial>{};
}

// ---- With whom this node talks ----

void Core::Impl::tend_soon(Micros delay) {
  overlay->due = std::min(overlay->due, now.monotonic + delay);
}

void Core::Impl::tend_overlay() {
  overlay->due = never;
  read_members();
  confirm_deaths();
  for (const auto& peer : peers) {
    const Micros answer_by =
        peer->candidate_since + candidate_intervals * options.exchange_interval;
    if (peer->standing != Standing::candidate) continue;
    if (answer_by <= now.monotonic) {
      // Those who watched it may have died with it.
      if (peer->incarnation == 0) {
        spread(overlay->liveness.suspect(peer->name, now.monotonic), RecentEvents::from_here);
      }
      part(*peer, false);
    } else {
      tend_soon(answer_by - now.monotonic);
    }
  }
  while (count_neighbours(false, false) > neighbours_max()) {
    part(drawn_neighbour(), true);
  }
  seek_neighbours();
  const Micros suspicion = overlay->liveness.oldest_suspicion();
  if (suspicion != never) {
    tend_soon(std::max(Micros{1}, suspicion + options.overlay->refute_within - now.monotonic));
  }
}

void Core::Impl::seek_neighbours() {
  if (overlay->leaving) return;
  const Micros pause = candidate_intervals * options.exchange_interval;
  std::erase_if(overlay->tried, [&](const auto& entry) {
    if (now.monotonic - entry.second < pause) return false;
    // Not before what it was told last has left.
    const auto slot = slots.find(entry.first);
    if (slot == slots.end() || peers[slot->second]->standing == Standing::none) {
      overlay->dials.push_back(Dial{entry.first, "", true});
    }
    return true;
  });
  std::vector<std::string> alive;
  std::vector<std::string> dead;
  for (const auto& [name, member] : overlay->members) {
    const auto slot = slots.find(name);
    const bool is_free = slot == slots.end() || peers[slot->second]->standing == Standing::none;
    if (name == options.name || member.leaf || !is_free || overlay->tried.contains(name)) continue;
    (overlay->liveness.of(name) == Life::alive ? alive : dead).push_back(name);
  }
  // Who does not know them has not found the others yet, or others than they have.
  for (const std::string& seed : options.peers) {
    if (!overlay->members.contains(seed)) dead.push_back(seed);
  }
  const std::size_t wanted = wanted_neighbours();
  std::size_t have = count_neighbours(false, true);
  for (; have < wanted && !alive.empty(); ++have) {
    const std::size_t drawn = random.below(alive.size());
    make_candidate(alive[drawn], overlay->members[alive[drawn]].endpoint);
    alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(drawn));
  }
  while (have < wanted + 1 && have < referred_at_once && !overlay->referred.empty()) {
    auto drawn = overlay->referred.begin();
    std::advance(drawn, static_cast<std::ptrdiff_t>(random.below(overlay->referred.size())));
    const auto [name, endpoint] = *drawn;
    overlay->referred.erase(drawn);
    if (name == options.name || overlay->members.contains(name) || overlay->tried.contains(name)) {
      continue;
    }
    make_candidate(name, endpoint);
    ++have;
  }
  if (count_neighbours(false, true) == 0 && overlay->next_seeds <= now.monotonic) {
    for (const std::string& seed : options.peers) {
      if (seed != options.name) make_candidate(seed, "");
    }
    // Many may want to join at once.
    const Micros longest = pause * (2 << std::min(overlay->seed_rounds++, 4));
    overlay->next_seeds = now.monotonic + pause + Micros(random.below(longest.count()));
  }
  if (overlay->next_probe <= now.monotonic) {
    overlay->next_probe = now.monotonic + probe_intervals * options.exchange_interval +
                          Micros(random.below(options.exchange_interval.count() + 1));
    // It may be another part of a cluster that was cut in two.
    if (!dead.empty() && !REJOIN_MUTATED(the_dead_are_not_asked_again)) {
      const std::string& drawn = dead[random.below(dead.size())];
      const auto member = overlay->members.find(drawn);
      make_candidate(drawn, member == overlay->members.end() ? "" : member->second.endpoint);
    }
  }
  if (!dead.empty()) tend_soon(overlay->next_probe - now.monotonic);
  const bool goes_on = count_neighbours(false, false) < wanted || overlay->members.size() <= 1;
  if (goes_on || !overlay->tried.empty()) tend_soon(pause);
}

void Core::Impl::make_candidate(const std::string& name, const std::string& endpoint) {
  const auto found = slots.find(name);
  Peer& peer = found != slots.end() ? *peers[found->second] : add_peer(name, false);
  if (peer.standing != Standing::none) return;
  peer.standing = Standing::candidate;
  peer.configured = true;
  peer.leaf = false;
  peer.endpoint = endpoint;
  peer.candidate_since = now.monotonic;
  peer.next_exchange = now.monotonic;
  overlay->dials.push_back(Dial{name, endpoint, false});
  tend_soon(candidate_intervals * options.exchange_interval);
}

void Core::Impl::ask_to_be_neighbour(Peer& peer) {
  const bool is_other_part = overlay->liveness.of(peer.name) != Life::alive;
  send(peer,
       transport::Neighbour{transport::Neighbour::Step::ask,
                            is_other_part || overlay->refusals >= refusals_max,
                            options.overlay->leaf, options.overlay->endpoint},
       0);
}

void Core::Impl::on_neighbour(Peer& peer, const transport::Neighbour& message) {
  using Step = transport::Neighbour::Step;
  if (!overlay) return;
  switch (message.step) {
    case Step::ask: {
      bool room = !options.overlay->leaf && !overlay->leaving;
      if (room && peer.standing != Standing::neighbour) {
        room = message.leaf ? count_neighbours(true, false) < options.overlay->leaves_max
                            : count_neighbours(false, false) < neighbours_max();
        if (!room && !message.leaf && message.urgent) {
          part(drawn_neighbour(), true);
          room = true;
        }
      }
      if (!room) return turn_away(peer, Step::refuse);
      peer.leaf = message.leaf;
      peer.endpoint = message.endpoint;
      send(peer, transport::Neighbour{Step::accept}, 0);
      return become_neighbours(peer);
    }
    case Step::accept:
      if (peer.standing == Standing::none) return tell_parted(peer);
      return become_neighbours(peer);
    case Step::refuse:
    case Step::part:
      for (const auto& other : message.others) {
        if (overlay->referred.size() >= referred_max) break;
        overlay->referred[other.name] = other.endpoint;
      }
      if (message.step == Step::refuse && peer.standing != Standing::candidate) return;
      if (peer.standing == Standing::none) return;
      if (count_neighbours(false, false) == 0) ++overlay->refusals;
      return part(peer, false);
  }
}

void Core::Impl::become_neighbours(Peer& peer) {
  peer.standing = Standing::neighbour;
  peer.configured = true;
  overlay->tried.erase(peer.name);
  overlay->refusals = overlay->seed_rounds = 0;
  heard(peer);
  tell_beliefs(peer);
}

// Nothing more is said to it, and what it says is not listened to.
void Core::Impl::part(Peer& peer, bool tell) {
  if (tell && peer.incarnation != 0) turn_away(peer, transport::Neighbour::Step::part);
  peer.alive = false;
  peer.standing = Standing::none;
  peer.configured = false;
  peer.next_exchange = never;
  forget(peer);
  peer.incarnation = peer.challenge = 0;
  peer.challenged_at = Micros{-1};
  refresh_view();
  overlay->tried[peer.name] = now.monotonic;
  tend_soon(tend_delay);
}

void Core::Impl::tell_parted(Peer& peer) {
  if (peer.parted_at >= Micros{0} && now.monotonic - peer.parted_at < resend_after(peer)) return;
  peer.parted_at = now.monotonic;
  turn_away(peer, transport::Neighbour::Step::part);
}

// It is told of others, of whom some may have room.
void Core::Impl::turn_away(Peer& peer, transport::Neighbour::Step step) {
  transport::Neighbour message{step};
  for (const auto& other : peers) {
    const bool is_known = other->standing == Standing::neighbour && !other->leaf;
    if (is_known && other.get() != &peer && message.others.size() < transport::contacts_max) {
      message.others.push_back({other->name, other->endpoint});
    }
  }
  send(peer, std::move(message), 0);
}

Micros Core::Impl::probe_due(const Peer& peer) const {
  const bool asked = peer.challenged_at >= peer.last_heard;
  return overlay && peer.alive && !asked ? peer.last_heard + options.peer_timeout / 2 : never;
}

void Core::Impl::lost_neighbour(Peer& peer) {
  if (!REJOIN_MUTATED(silent_neighbour_is_not_suspected)) {
    spread(overlay->liveness.suspect(peer.name, now.monotonic), RecentEvents::from_here);
  }
  part(peer, true);  // it may hear us, and look for somebody whom it hears
}

// ---- Who is alive ----

void Core::Impl::spread(const std::optional<Rumour>& rumour, std::uint32_t from) {
  if (!rumour) return;
  overlay->news.emplace_back(*rumour, from);
  if (rumour->life != Life::alive) tend_soon(options.overlay->refute_within);
  if (rumour->member == options.name) return;
  constexpr Notice::Kind kinds[] = {Notice::Kind::member_alive, Notice::Kind::member_suspected,
                                    Notice::Kind::member_dead};
  notice(kinds[static_cast<int>(rumour->life)], "", rumour->member, "");
}

void Core::Impl::on_rumours(Peer& peer, const transport::Rumours& message) {
  if (!overlay) return;
  for (const Rumour& rumour : message.rumours) {
    spread(overlay->liveness.hear(rumour, now.monotonic), peer.slot);
  }
}

void Core::Impl::confirm_deaths() {
  for (const Rumour& death :
       overlay->liveness.confirm(now.monotonic - options.overlay->refute_within)) {
    spread(death, RecentEvents::from_here);
  }
}

void Core::Impl::tell_news() {
  const auto news = std::exchange(overlay->news, {});
  if (news.empty()) return;
  for (const auto& peer : peers) {
    if (!peer->alive || peer->standing != Standing::neighbour) continue;
    transport::Rumours rumours;
    for (const auto& [rumour, from] : news) {
      // A refutation goes to those as well from whom the rumour came.
      if (from == peer->slot && rumour.member != options.name) continue;
      rumours.rumours.push_back(rumour);
      if (rumours.rumours.size() < transport::rumours_max) continue;
      send(*peer, std::exchange(rumours, {}), 0);
    }
    if (!rumours.rumours.empty()) send(*peer, std::move(rumours), 0);
  }
}

// Everything, when beliefs differ: some rumour was lost.
void Core::Impl::tell_beliefs(Peer& peer) {
  const std::uint64_t beliefs = overlay->liveness.hash();
  const bool told = peer.life_told == beliefs && peer.life_told_at >= Micros{0} &&
                    now.monotonic - peer.life_told_at < options.exchange_interval;
  if (told || beliefs == 0) return;
  peer.life_told = beliefs;
  peer.life_told_at = now.monotonic;
  transport::Rumours rumours;
  for (const Rumour& rumour : overlay->liveness.all()) {
    rumours.rumours.push_back(rumour);
    if (rumours.rumours.size() == transport::rumours_max) {
      send(peer, std::exchange(rumours, {}), 0);
    }
  }
  if (!rumours.rumours.empty()) send(peer, std::move(rumours), 0);
}

}  // namespace rejoin::node
