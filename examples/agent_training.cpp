// A training run that two regions work on: progress, checkpoints, the best of them, and who may not
// be deployed.
#include "two_regions.h"

using rejoin::Document;
using rejoin::Status;
using rejoin::Transaction;
using rejoin::agent::Aim;
using rejoin::agent::ContentHash;
using rejoin::agent::TrainingRunRef;
using rejoin::agent::TrainingRunView;
using rejoin::agent::Verdict;

namespace {

template <class Write>
void write(rejoin::node::Space& space, Write write_to) {
  checked(space.transact([&](Transaction& transaction) -> Status {
    return write_to(TrainingRunRef(transaction.root().map("training").map("run-7")));
  }));
}

// Saves a checkpoint and says how good it is, as one transaction.
Status save(TrainingRunRef run, const ContentHash& hash, std::int64_t step, double accuracy) {
  if (auto ok = run.save({.hash = hash, .step = step, .bytes = 1 << 20}); !ok) return ok;
  if (auto ok = run.advance("step", step); !ok) return ok.error();
  return run.report("accuracy", Aim::greatest, hash, accuracy);
}

}  // namespace

int main() {
  // What an application has from hashing the file.
  const auto early = checked(ContentHash::parse("sha256:" + std::string(64, '1')));
  const auto late = checked(ContentHash::parse("sha256:" + std::string(64, '2')));
  TwoRegions regions;
  regions.part();
  write(regions.frankfurt, [&](TrainingRunRef run) { return save(run, early, 1'000, 0.91); });
  write(regions.virginia, [&](TrainingRunRef run) { return save(run, late, 2'000, 0.93); });
  regions.meet();

  // Two validators disagree about the better one while they do not hear of each other.
  regions.part();
  write(regions.frankfurt, [&](TrainingRunRef run) {
    return run.validate(late, "toxicity", Verdict::failed, "rude in 3 of 1,000 answers");
  });
  write(regions.virginia,
        [&](TrainingRunRef run) { return run.validate(late, "accuracy", Verdict::passed); });
  regions.meet();
  write(regions.virginia, [&](TrainingRunRef run) { return run.publish("v1", early); });
  regions.meet();

  regions.frankfurt.read([&](const Document& document) {
    const TrainingRunView run(document.root().map("training").map("run-7"));
    const auto best = run.best("accuracy", Aim::greatest);
    std::cout << "at step " << run.progress("step") << ", best " << best->value << ", which "
              << to_string(run.verdict(best->checkpoint)) << "\n";
    for (const auto& version : run.versions()) {
      const auto checkpoint = run.checkpoint(version.checkpoints.front());
      std::cout << version.name << " is that of step " << checkpoint->step << "\n";
    }
  });
  std::cout << (regions.agree() ? "both nodes agree" : "the nodes differ") << "\n";
  return regions.agree() ? 0 : 1;
}
