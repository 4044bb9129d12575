// A budget of tokens that two regions spend from while they are cut apart, and how much they will
// need.
#include "two_regions.h"

using rejoin::Document;
using rejoin::MapRef;
using rejoin::Status;
using rejoin::Transaction;
using rejoin::agent::BudgetRef;
using rejoin::agent::BudgetView;
using rejoin::agent::Granularity;
using rejoin::agent::WindowedCounterRef;
using rejoin::agent::WindowedCounterView;

namespace {

constexpr std::chrono::sys_seconds noon{std::chrono::hours(24 * 20'000 + 12)};
constexpr std::int64_t noon_ms = std::chrono::milliseconds(noon.time_since_epoch()).count();

rejoin::ReplicaId id_of(const rejoin::node::Space& space) {
  rejoin::ReplicaId id;
  space.read([&](const Document& document) { id = document.self(); });
  return id;
}

}  // namespace

int main() {
  TwoRegions regions;
  const rejoin::ReplicaId virginia = id_of(regions.virginia);
  // Frankfurt holds the funds, and hands 300 tokens to Virginia before they part.
  std::string grant;
  checked(regions.frankfurt.transact([&](Transaction& transaction) -> Status {
    BudgetRef budget(transaction.root().map("budget"));
    if (auto ok = budget.fund(1'000); !ok) return ok;
    auto granted = budget.grant(
        {.holder = virginia, .amount = 300, .expires_ms = noon_ms + 60'000, .purpose = "trip-1"});
    if (!granted) return granted.error();
    grant = *granted;
    return {};
  }));
  regions.meet();
  regions.part();
  checked(regions.virginia.transact([&](Transaction& transaction) -> Status {
    BudgetRef budget(transaction.root().map("budget"));
    WindowedCounterRef use(transaction.root().map("use"));
    for (int minute = 0; minute < 6; ++minute) {
      if (auto ok = budget.spend(grant, 20, noon_ms); !ok) return ok;
      if (auto ok = use.add(20, noon + std::chrono::minutes(minute)); !ok) return ok;
    }
    if (budget.spend(grant, 1'000, noon_ms).ok()) std::cout << "more than was granted\n";
    return budget.close(grant);
  }));
  regions.meet();
  checked(regions.frankfurt.transact([&](Transaction& transaction) -> Status {
    const auto back = BudgetRef(transaction.root().map("budget")).reclaim(noon_ms);
    if (back) std::cout << *back << " came back\n";
    return back ? Status() : back.error();
  }));
  regions.meet();

  regions.virginia.read([](const Document& document) {
    const BudgetView budget(document.root().map("budget"));
    std::cout << budget.spent() << " spent, " << budget.available() << " available\n";
    const WindowedCounterView use(document.root().map("use"));
    const auto past =
        checked(use.series(Granularity::minute, noon, noon + std::chrono::minutes(6)));
    std::cout << rejoin::agent::forecast(past, 1).front() << " expected in the next minute\n";
  });
  std::cout << (regions.agree() ? "both nodes agree" : "the nodes differ") << "\n";
  return regions.agree() ? 0 : 1;
}
