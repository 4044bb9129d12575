// Two agents decide one question while they are cut apart; a third decision settles it.
#include "two_regions.h"

using rejoin::Document;
using rejoin::Path;
using rejoin::Status;
using rejoin::Transaction;
using rejoin::agent::Decision;
using rejoin::agent::SessionRef;
using rejoin::agent::SessionView;
using rejoin::agent::TurnName;

namespace {

void decide(rejoin::node::Space& space, const Decision& decision) {
  checked(space.transact([&](Transaction& transaction) -> Status {
    const auto decided = SessionRef(transaction, "trip-1").decisions().decide("seat", decision);
    return decided ? Status() : decided.error();
  }));
}

// Those that stand.
std::vector<Decision> print(const rejoin::node::Space& space) {
  std::vector<Decision> standing;
  space.read([&](const Document& document) {
    standing = SessionView(document, "trip-1").decisions().standing("seat");
  });
  for (const Decision& one : standing)
    std::cout << one.author << " takes the " << one.choice << "\n";
  return standing;
}

}  // namespace

int main() {
  TwoRegions regions;
  regions.part();
  const Path preference = Path().map("sessions").map("trip-1").map("preferences");
  decide(regions.frankfurt, {.author = "ada",
                             .choice = "window",
                             .reason = "she said so",
                             .evidence = {TurnName{"trip-1", "t3"}}});
  decide(regions.virginia, {.author = "bob", .choice = "aisle", .evidence = {preference}});
  regions.meet();
  Decision last{.author = "carol", .choice = "window", .reason = "what she said is newer"};
  for (const Decision& one : print(regions.frankfurt)) {
    last.supersedes.push_back(one.id);
    last.evidence.push_back(one.id);
  }
  decide(regions.frankfurt, last);
  regions.meet();
  std::cout << "settled:\n";
  print(regions.virginia);
  std::cout << (regions.agree() ? "both nodes agree" : "the nodes differ") << "\n";
  return regions.agree() ? 0 : 1;
}
