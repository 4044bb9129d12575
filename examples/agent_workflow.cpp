// A workflow that workers in two regions share, and what becomes of a step that both did.
#include "two_regions.h"

using rejoin::Document;
using rejoin::Status;
using rejoin::Transaction;
using rejoin::agent::SessionRef;
using rejoin::agent::SessionView;

namespace {

// Claims every step that is ready, does it, and says what came of it.
void work(rejoin::node::Space& space, const std::string& worker, std::int64_t now_ms) {
  checked(space.transact([&](Transaction& transaction) -> Status {
    auto workflow = SessionRef(transaction, "trip-1").workflow();
    for (const std::string& step : workflow.ready(now_ms)) {
      const auto attempt = workflow.claim(step, {worker, now_ms, now_ms + 60'000});
      if (!attempt) return attempt.error();
      const auto reported = workflow.complete(step, worker, *attempt, step + " by " + worker);
      if (!reported) return reported.error();
    }
    return {};
  }));
}

}  // namespace

int main() {
  TwoRegions regions;
  checked(regions.frankfurt.transact([](Transaction& transaction) -> Status {
    auto workflow = SessionRef(transaction, "trip-1").workflow();
    if (auto ok = workflow.plan("search"); !ok) return ok;
    return workflow.plan("book", {.after = {"search"}, .attempts_max = 2});
  }));
  regions.meet();

  // The regions lose each other, and a worker in each takes the step that is ready.
  regions.part();
  work(regions.frankfurt, "ada", 1'000);
  work(regions.virginia, "bob", 1'000);
  regions.meet();
  work(regions.virginia, "bob", 2'000);
  regions.meet();

  regions.frankfurt.read([](const Document& document) {
    const auto workflow = SessionView(document, "trip-1").workflow();
    for (const auto& step : workflow.steps()) {
      std::cout << step.name << " is " << to_string(step.status) << ": "
                << workflow.result(step.name)->value.as_string() << "\n";
      for (const auto& other : workflow.duplicates(step.name)) {
        std::cout << "  done twice: " << other.value.as_string() << "\n";
      }
    }
  });
  std::cout << (regions.agree() ? "both nodes agree" : "the nodes differ") << "\n";
  return regions.agree() ? 0 : 1;
}
