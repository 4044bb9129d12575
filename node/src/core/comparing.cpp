// Catching up one that cannot be told what it lacks, because removals that it has not seen are
// forgotten here: by finding out which cells differ.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/impl.h"
#include "rejoin/crdt/mutant.h"

namespace rejoin::node {

namespace {

// The first symbols tell up to some forty differences apart, in less than 1 KB; then there are
// twice as many each time.
constexpr std::size_t first_symbols = 64;
constexpr std::size_t symbol_bytes = 14;
// Whole states are mostly packed to this part of their estimate, or less.
constexpr std::uint64_t packing_usual = 4;
// As the number of symbols that one has: too much differs for telling it apart to pay.
constexpr std::uint32_t too_many = std::numeric_limits<std::uint32_t>::max();

}  // namespace

// ---- The side that has more ----

// Whether the cells that differ are probably much less than all of them.
bool Core::Impl::comparing_pays(const Replica& replica, const Clock& reported) const {
  return !reported.empty() && !replica.document.tells_since(reported) &&
         replica.document.delta_bytes_estimate(reported) >= options.compare_from_bytes;
}

void Core::Impl::start_comparison(Replica& replica, Peer& peer, Link& link) {
  std::uint64_t id = 0;
  while (id == 0) id = random.next();
  link.comparing = std::make_unique<OutgoingComparison>(id, replica.document, now.monotonic);
  transfers_out.emplace_back(replica.index, peer.slot);
  ++counters.comparisons;
  link.comparing->to = first_symbols;
  send_symbols(replica, peer, link);
}

void Core::Impl::send_symbols(Replica& replica, Peer& peer, Link& link) {
  OutgoingComparison& comparing = *link.comparing;
  const std::size_t cells = comparing.cells.size();
  const auto& symbols = comparing.sketch.symbols(comparing.to);
  comparing.sent_at = now.monotonic;
  send(peer,
       transport::Sketch{replica.name, comparing.id, comparing.clock, cells,
                         static_cast<std::uint32_t>(comparing.from),
                         encode_symbols(symbols, comparing.from, comparing.to, cells),
                         comparing.retired},
       replica.last_own);
  hurry(replica, now.monotonic + resend_after(peer));
}

void Core::Impl::on_sketch_answer(Peer& peer, const transport::SketchAnswer& message) {
  Replica* replica = find(message.space, peer);
  if (!replica) return tell_absent(peer, message.space);
  Link& link = this->link(*replica, peer);
  if (!link.comparing || link.comparing->id != message.comparison) return;
  OutgoingComparison& comparing = *link.comparing;
  comparing.progress_at = now.monotonic;
  comparing.silences = 0;
  if (message.done) {
    // What was left out only later may be news since.
    const auto then = replica->document.seen_there(comparing.clock, comparing.retired);
    const bool knew_all =
        (then && !then->lacks_retired) || REJOIN_MUTATED(compared_clock_is_taken_as_it_was);
    if (!knew_all) {
      link.comparing.reset();
      return start_comparison(*replica, peer, link);
    }
    const auto delta =
        replica->document.delta_of(places_of(comparing.cells, message.wanted), comparing.id,
                                   then ? then->clock : comparing.clock, link.may_lack_retired);
    link.comparing.reset();
    if (delta) return start_transfer(*replica, peer, link, *delta);
    return start_comparison(*replica, peer, link);  // more was forgotten meanwhile
  }
  // Twice as many symbols each time, as long as they cost much less than everything would, which
  // can be packed.
  const std::uint64_t symbols_cost = symbol_bytes * 2 * comparing.to;
  if (message.have == too_many || comparing.to > transport::sketch_symbols_max ||
      symbols_cost > replica->document.delta_bytes_estimate({}) / packing_usual) {
    link.comparing.reset();
    return start_transfer(*replica, peer, link, replica->document.whole());
  }
  if (message.have != comparing.to) return;  // late
  comparing.from = comparing.to;
  comparing.to *= 2;
  send_symbols(*replica, peer, link);
}

// ---- The side that lacks something ----

void Core::Impl::on_sketch(Peer& peer, const transport::Sketch& message) {
  Replica* replica = find(message.space, peer);
  if (!replica) return tell_absent(peer, message.space);
  Link& link = this->link(*replica, peer);
  set_lacks(*replica, peer, link, false);
  if (!own_id_holds(*replica, peer, message.clock.get(replica->document.self()))) return;
  if (has_all(*replica, message.clock, message.retired)) return;
  if (!link.compared || link.compared->id != message.comparison) {
    // Each costs a look at every cell.
    if (message.from != 0 ||
        !limit("compare " + peer.name + " " + message.space, options.exchange_interval / 2)) {
      return;
    }
    link.compared = std::make_unique<IncomingComparison>(
        message.comparison, replica->document, message.clock, message.retired, now.monotonic);
  }
  IncomingComparison& compared = *link.compared;
  if (message.from > compared.decoder.symbol_count()) return;  // nobody honest leaves some out
  compared.progress_at = now.monotonic;
  // What came again was not heard to have come.
  if (message.from < compared.decoder.symbol_count()) return answer_sketch(*replica, peer, link);
  const auto symbols = decode_symbols(message.bytes, message.from, message.cells);
  if (!symbols.ok() || message.clock != compared.theirs || message.retired != compared.retired) {
    link.compared.reset();
    return malformed(peer.name, message.space,
                     symbols.ok() ? "a sketch changed its clock" : symbols.error().message);
  }
  compared.decoder.add(*symbols);
  answer_sketch(*replica, peer, link);
  run(*replica);
}

void Core::Impl::answer_sketch(Replica& replica, Peer& peer, Link& link) {
  const IncomingComparison& compared = *link.compared;
  transport::SketchAnswer answer{replica.name, compared.id, 0, compared.decoder.done(), {}};
  answer.have = static_cast<std::uint32_t>(compared.decoder.symbol_count());
  if (answer.done) {
    answer.wanted = compared.decoder.only_theirs();
    if (answer.wanted.size() > transport::wanted_cells_max) {
      answer = transport::SketchAnswer{replica.name, compared.id, too_many, false, {}};
    }
  }
  send(peer, std::move(answer), 0);
}

// Says which of our cells the delta judges. False when it is not of this comparison, or came too
// late: what we learned meanwhile was not compared.
bool Core::Impl::prepare_compared(const Replica& replica, Link& link, Delta& delta) const {
  const std::unique_ptr<IncomingComparison> compared = std::move(link.compared);
  if (!compared || compared->id != delta.comparison || !compared->decoder.done()) return false;
  const ReplicaId& self = replica.document.self();
  if (compared->within_theirs(compared->ours, self) !=
          compared->within_theirs(replica.document.clock_with_retired(), self) &&
      !REJOIN_MUTATED(late_comparison_counts)) {
    return false;
  }
  delta.judged = places_of(compared->cells, compared->decoder.only_ours());
  return true;
}

Micros Core::Impl::run_comparisons(Replica& replica, Peer& peer, Link& link) {
  Micros next = never;
  if (link.comparing) {
    OutgoingComparison& comparing = *link.comparing;
    const Micros end = comparing.progress_at + options.transfer_timeout;
    const Micros patience = resend_after(peer) * (1 << std::min(comparing.silences, 5));
    if (!link.may_lack_retired && link.applied.includes(listed(replica, comparing.clock))) {
      link.comparing.reset();  // it was told by somebody else
    } else if (end <= now.monotonic) {
      ++counters.transfers_abandoned;
      link.comparing.reset();
    } else {
      if (peer.alive && now.monotonic - comparing.sent_at >= patience) {
        ++comparing.silences;
        send_symbols(replica, peer, link);
      }
      next = std::min(end, now.monotonic + patience);
    }
  }
  if (link.compared) {
    const Micros end = link.compared->progress_at + options.transfer_timeout;
    if (end <= now.monotonic || has_all(replica, link.compared->theirs, link.compared->retired)) {
      link.compared.reset();
    } else {
      next = std::min(next, end);
    }
  }
  return next;
}

}  // namespace rejoin::node
