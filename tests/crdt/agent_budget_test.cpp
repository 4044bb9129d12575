#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "property_runs.h"
#include "rejoin/crdt/agent/budget.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/transaction.h"
#include "site.h"

namespace rejoin::agent {
namespace {

constexpr std::int64_t noon_ms = 1'716'000'000'000;
constexpr std::int64_t clock_error_ms = 500;

class Site : public rejoin::Site {
 public:
  explicit Site(std::uint64_t n) : rejoin::Site(ReplicaId::from_words(n << 32, n)) {}

  // Commits what `write` does to the budget and gives what it said.
  template <class Write>
  auto commit(Write write) {
    std::optional<decltype(write(std::declval<BudgetRef&>()))> said;
    rejoin::Site::commit([&](MapRef root) {
      BudgetRef budget(root.map("budgets").map("gpu"));
      said = write(budget);
    });
    return *std::move(said);
  }
  void fund(std::int64_t amount) {
    ASSERT_TRUE(commit([&](BudgetRef& b) { return b.fund(amount); }).ok());
  }
  std::string grant(GrantKind kind, const Site& holder, std::int64_t amount,
                    std::int64_t expires_ms = noon_ms) {
    const auto id = commit([&](BudgetRef& b) {
      return b.grant({kind, holder.document.self(), amount, expires_ms, clock_error_ms, "planner"});
    });
    EXPECT_TRUE(id.ok()) << (id.ok() ? "" : id.error().to_string());
    return id.ok() ? *id : "";
  }
  Status spend(const std::string& id, std::int64_t amount, std::int64_t now_ms = noon_ms - 1) {
    return commit([&](BudgetRef& b) { return b.spend(id, amount, now_ms); });
  }
  Status close(const std::string& id) {
    return commit([&](BudgetRef& b) { return b.close(id); });
  }
  std::int64_t reclaim(std::int64_t now_ms) {
    const auto returned = commit([&](BudgetRef& b) { return b.reclaim(now_ms); });
    EXPECT_TRUE(returned.ok());
    return returned.ok() ? *returned : -1;
  }
  // The error of what must be refused, and write nothing.
  template <class Write>
  Error refused(Write write) {
    const std::string before = document.canonical_state();
    const auto said = commit(write);
    EXPECT_FALSE(said.ok());
    EXPECT_EQ(document.canonical_state(), before);
    return said.ok() ? Error() : said.error();
  }
  BudgetView budget() const { return BudgetView(document.root().map("budgets").map("gpu")); }
};

class Budget : public testing::Test {
 protected:
  Site a{0xA};
  Site b{0xB};
};

TEST_F(Budget, what_a_consumable_grant_has_left_returns_when_its_holder_closes_it) {
  a.fund(1000);
  const std::string id = a.grant(GrantKind::consumable, b, 300);
  EXPECT_EQ(a.budget().available_here(), 700);
  b.pull(a);
  ASSERT_TRUE(b.spend(id, 100).ok());
  ASSERT_TRUE(b.spend(id, 20).ok());
  // However late it is, A does not know what B spent.
  EXPECT_EQ(a.reclaim(noon_ms + 1'000'000'000), 0);
  exchange(a, b);
  EXPECT_EQ(a.reclaim(noon_ms + 1'000'000'000), 0);
  ASSERT_TRUE(b.close(id).ok());
  exchange(a, b);
  EXPECT_EQ(a.reclaim(noon_ms), 180);
  EXPECT_EQ(a.reclaim(noon_ms), 0);
  exchange(a, b);
  EXPECT_EQ(b.budget().available(), 880);
  EXPECT_EQ(b.budget().spent(), 120);
  EXPECT_TRUE(b.budget().grants().empty());
}

TEST_F(Budget, capacity_returns_by_the_clock) {
  a.fund(8);
  const std::string id = a.grant(GrantKind::capacity, b, 3);
  b.pull(a);
  EXPECT_EQ(b.budget().usable_capacity(id, noon_ms - clock_error_ms - 1), 3);
  EXPECT_EQ(b.budget().usable_capacity(id, noon_ms - clock_error_ms), 0);
  EXPECT_EQ(a.budget().usable_capacity(id, 0), 0);  // it is B's
  EXPECT_EQ(a.reclaim(noon_ms + clock_error_ms), 0);
  EXPECT_EQ(a.reclaim(noon_ms + clock_error_ms + 1), 3);
  EXPECT_EQ(a.budget().available_here(), 8);
}

TEST_F(Budget, capacity_that_was_closed_returns_early) {
  a.fund(8);
  const std::string id = a.grant(GrantKind::capacity, b, 3);
  b.pull(a);
  ASSERT_TRUE(b.close(id).ok());
  EXPECT_EQ(b.budget().usable_capacity(id, 0), 0);
  a.pull(b);
  EXPECT_EQ(a.reclaim(0), 3);
}

TEST_F(Budget, a_grant_that_is_closed_while_it_is_reclaimed_leaves_nothing) {
  a.fund(8);
  const std::string id = a.grant(GrantKind::capacity, b, 3);
  b.pull(a);
  ASSERT_TRUE(b.close(id).ok());
  EXPECT_EQ(a.reclaim(noon_ms + clock_error_ms + 1), 3);
  exchange(a, b);
  EXPECT_TRUE(a.budget().grants().empty());
  EXPECT_EQ(b.commit([&](BudgetRef& r) { return r.close(id); }).error().code, ErrorCode::not_found);
  EXPECT_EQ(a.reclaim(noon_ms + clock_error_ms + 1), 0);
  EXPECT_EQ(a.budget().available_here(), 8);
  EXPECT_FALSE(a.document.exists(Path().map("budgets").map("gpu").map("grants")));
}

TEST_F(Budget, a_grant_can_be_extended_by_its_grantor) {
  a.fund(8);
  const std::string id = a.grant(GrantKind::capacity, b, 3);
  ASSERT_TRUE(a.commit([&](BudgetRef& r) { return r.extend(id, noon_ms + 10'000); }).ok());
  b.pull(a);
  EXPECT_EQ(b.budget().usable_capacity(id, noon_ms), 3);
  EXPECT_EQ(a.reclaim(noon_ms + clock_error_ms + 1), 0);
  EXPECT_EQ(a.refused([&](BudgetRef& r) { return r.extend(id, noon_ms); }).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(b.refused([&](BudgetRef& r) { return r.extend(id, noon_ms + 20'000); }).code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(a.refused([&](BudgetRef& r) { return r.extend("x", noon_ms); }).code,
            ErrorCode::not_found);
}

TEST_F(Budget, nobody_grants_more_than_its_share) {
  a.fund(10);
  b.pull(a);
  const auto grant = [&](std::int64_t amount) {
    return [&, amount](BudgetRef& r) {
      return r.grant({GrantKind::consumable, b.document.self(), amount, noon_ms, 0, ""});
    };
  };
  const Error error = b.refused(grant(1));
  EXPECT_EQ(error.code, ErrorCode::out_of_range);
  EXPECT_EQ(error.where, "/map:budgets/map:gpu/bounded_counter:pool");
  EXPECT_NE(error.message.find("0000000a holds 10"), std::string::npos) << error.message;
  EXPECT_EQ(a.refused(grant(11)).code, ErrorCode::out_of_range);
  // Asking for a share of the pool is asking for rights.
  ASSERT_TRUE(b.commit([](BudgetRef& r) { return r.pool().ask(4); }).ok());
  a.pull(b);
  ASSERT_TRUE(a.commit([](BudgetRef& r) { return r.pool().answer(); }).ok());
  b.pull(a);
  EXPECT_TRUE(b.commit(grant(4)).ok());
  EXPECT_EQ(a.budget().available_here(), 6);
}

TEST_F(Budget, spending_is_refused_to_others_after_the_expiry_beyond_the_grant_and_when_closed) {
  a.fund(100);
  const std::string id = a.grant(GrantKind::consumable, b, 30);
  const std::string slots = a.grant(GrantKind::capacity, b, 2);
  b.pull(a);
  const auto spend = [](const std::string& grant, std::int64_t amount, std::int64_t now_ms) {
    return [=](BudgetRef& r) { return r.spend(grant, amount, now_ms); };
  };
  const Error error = b.refused(spend(id, 31, 0));
  EXPECT_EQ(error.code, ErrorCode::out_of_range);
  EXPECT_EQ(error.where, "/map:budgets/map:gpu/map:grants/map:" + id);
  EXPECT_EQ(b.refused(spend(id, -1, 0)).code, ErrorCode::invalid_argument);
  EXPECT_EQ(b.refused(spend(id, 1, noon_ms)).code, ErrorCode::timeout);
  EXPECT_EQ(b.refused(spend(slots, 1, 0)).code, ErrorCode::wrong_type);
  EXPECT_EQ(b.refused(spend("x", 1, 0)).code, ErrorCode::not_found);
  EXPECT_EQ(a.refused(spend(id, 1, 0)).code, ErrorCode::invalid_argument);
  EXPECT_EQ(a.refused([&](BudgetRef& r) { return r.close(id); }).code, ErrorCode::invalid_argument);
  ASSERT_TRUE(b.spend(id, 30).ok());
  EXPECT_EQ(b.refused(spend(id, 1, 0)).code, ErrorCode::out_of_range);
  ASSERT_TRUE(b.close(id).ok());
  EXPECT_EQ(b.refused(spend(id, 0, 0)).code, ErrorCode::closed);
}

TEST_F(Budget, a_grant_with_terms_that_make_no_sense_is_refused) {
  a.fund(10);
  const GrantTerms good{GrantKind::consumable, b.document.self(), 1, noon_ms, 0, "p"};
  const auto refused = [&](auto change) {
    GrantTerms terms = good;
    change(terms);
    EXPECT_EQ(a.refused([&](BudgetRef& r) { return r.grant(terms); }).code,
              ErrorCode::invalid_argument);
  };
  refused([](GrantTerms& t) { t.amount = 0; });
  refused([](GrantTerms& t) { t.amount = -5; });
  refused([](GrantTerms& t) { t.holder = ReplicaId(); });
  refused([](GrantTerms& t) { t.clock_error_ms = -1; });
  refused([](GrantTerms& t) { t.expires_ms = std::numeric_limits<std::int64_t>::max(); });
  refused([](GrantTerms& t) { t.purpose = "\xFF"; });
}

TEST_F(Budget, a_grant_says_who_may_use_what_until_when) {
  a.fund(10);
  const std::string id = a.grant(GrantKind::consumable, b, 4);
  b.pull(a);
  ASSERT_TRUE(b.spend(id, 1).ok());
  const std::optional<Grant> grant = b.budget().grant(id);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->grantor, a.document.self());
  EXPECT_EQ(grant->holder, b.document.self());
  EXPECT_EQ(grant->purpose, "planner");
  EXPECT_EQ(grant->expires_ms, noon_ms);
  EXPECT_EQ(grant->left(), 3);
  EXPECT_EQ(b.budget().grants().size(), 1u);
}

TEST_F(Budget, what_is_no_grant_is_passed_over) {
  a.fund(10);
  const std::string id = a.grant(GrantKind::consumable, b, 4);
  Transaction transaction = a.document.begin({HybridTime{1000}, "", ""});
  MapRef grants = transaction.root().map("budgets").map("gpu").map("grants");
  ASSERT_TRUE(grants.map("foreign").reg("amount").set(5).ok());
  ASSERT_TRUE(grants.reg("other").set(5).ok());
  ASSERT_TRUE(grants.map(id).reg("kind").set("barter").ok());
  transaction.commit();
  EXPECT_TRUE(a.budget().grants().empty());
  EXPECT_FALSE(a.budget().grant(""));
}

TEST_F(Budget, close_expired_closes_what_this_replica_holds) {
  a.fund(10);
  const std::string expired = a.grant(GrantKind::consumable, b, 4, noon_ms);
  const std::string later = a.grant(GrantKind::consumable, b, 3, noon_ms + 1);
  const std::string own = a.grant(GrantKind::consumable, a, 2, noon_ms);
  b.pull(a);
  ASSERT_TRUE(b.commit([](BudgetRef& r) { return r.close_expired(noon_ms); }).ok());
  EXPECT_TRUE(b.budget().grant(expired)->closed);
  EXPECT_FALSE(b.budget().grant(later)->closed);
  EXPECT_FALSE(b.budget().grant(own)->closed);
}

// ---- Random partitions ----

[[maybe_unused]] const bool runs_scaled = scale_property_runs(2000);

struct Step {
  unsigned kind;
  unsigned site;
  unsigned other;
  unsigned amount;
};

void showValue(const Step& step, std::ostream& out) {
  out << "{" << step.kind << ", " << step.site << ", " << step.other << ", " << step.amount << "}";
}

// Each history leaves some kinds of step out, so that the others meet more often; nothing happens
// without grants, exchange and time.
rc::Gen<std::vector<Step>> any_steps() {
  return rc::gen::exec([] {
    std::vector<unsigned> kinds{1, 2, 3, 9, 10, 14, 14, 17, 17, 17};
    for (unsigned kind = 0; kind < 17; ++kind) {
      if (*rc::gen::arbitrary<bool>()) kinds.push_back(kind);
    }
    const auto step = rc::gen::build<Step>(rc::gen::set(&Step::kind, rc::gen::elementOf(kinds)),
                                           rc::gen::set(&Step::site, rc::gen::inRange(0u, 3u)),
                                           rc::gen::set(&Step::other, rc::gen::inRange(0u, 12u)),
                                           rc::gen::set(&Step::amount, rc::gen::inRange(0u, 12u)));
    return *rc::gen::container<std::vector<Step>>(step);
  });
}

// Three replicas with clocks that err by less than the bound, and one budget of one kind.
class Partitions {
 public:
  explicit Partitions(GrantKind kind) : kind_(kind) {
    for (std::uint64_t n = 1; n <= 3; ++n) sites_.push_back(std::make_unique<Site>(n));
    for (int n = 0; n < 3; ++n) {
      clock_errors_.push_back(*rc::gen::element(-1, 0, 1) * (clock_error_ms - 1));
    }
  }

  void perform(const Step& step) {
    Site& site = *sites_[step.site];
    Site& other = *sites_[(step.site + 1 + step.other % 2) % 3];
    const std::int64_t now = true_ms_ + clock_errors_[step.site];
    const auto amount = static_cast<std::int64_t>(step.amount);
    switch (step.kind) {
      case 0:
        if (site.commit([&](BudgetRef& b) { return b.fund(amount); }).ok()) funds_ += amount;
        break;
      case 1:
      case 2:
      case 3:
        (void)site.commit([&](BudgetRef& b) {
          const Site& holder = step.other % 4 == 0 ? site : other;
          return b.grant({kind_, holder.document.self(), amount,
                          now + static_cast<std::int64_t>(step.other) * 300, clock_error_ms, ""});
        });
        break;
      case 4:
      case 5:
      case 6: {
        const std::string id = pick(site, step.other);
        if (site.spend(id, amount, now).ok()) spent_ += amount;
        break;
      }
      case 7:
        (void)site.close(pick(site, step.other));
        break;
      case 8:
        (void)site.commit([&](BudgetRef& b) { return b.close_expired(now); });
        break;
      case 9:
      case 10:
        site.reclaim(now);
        break;
      case 11:
        (void)site.commit(
            [&](BudgetRef& b) { return b.extend(pick(site, step.other), now + amount * 300); });
        break;
      case 12:
        (void)site.commit(
            [&](BudgetRef& b) { return b.pool().transfer(amount, other.document.self()); });
        break;
      case 13:
        true_ms_ += amount * 100;
        break;
      case 14:  // to where clocks do not agree whether a grant has expired
        if (const auto grant = site.budget().grant(pick(site, step.other))) {
          true_ms_ = std::max(true_ms_, grant->expires_ms + (amount - 6) * 90);
        }
        break;
      case 15:  // as far as the bound allows, one way or the other
        clock_errors_[step.site] =
            (static_cast<std::int64_t>(step.amount % 3) - 1) * (clock_error_ms - 1);
        break;
      case 16:
        if (step.amount < 2) {
          site.document.become(ReplicaId::from_words(++ids_ << 40, 7));
          replaced_ = true;
        }
        break;
      default:
        site.pull(other);
        break;
    }
    check();
  }

  // At this true moment: what is in use or may be spent, as each holder sees it, what was spent,
  // and what each may still grant.
  void check() {
    std::int64_t taken = spent_;
    for (std::size_t i = 0; i < sites_.size(); ++i) {
      const BudgetView budget = sites_[i]->budget();
      RC_ASSERT(budget.available() >= 0);
      taken += budget.available_here();
      for (const Grant& grant : budget.grants()) {
        taken += budget.usable_capacity(grant.id, true_ms_ + clock_errors_[i]);
        if (kind_ == GrantKind::consumable && !grant.closed &&
            grant.holder == sites_[i]->document.self()) {
          taken += grant.left();
        }
      }
    }
    RC_ASSERT(taken <= funds_);
  }

  // Everybody meets, closes and reclaims: all that was not spent is back.
  void settle() {
    const auto meet = [&] {
      for (int round = 0; round < 2; ++round) {
        for (auto& site : sites_) {
          for (auto& other : sites_) {
            if (site != other) site->pull(*other);
          }
        }
      }
    };
    meet();
    true_ms_ += 1'000'000;
    for (auto& site : sites_) {
      RC_ASSERT(site->commit([&](BudgetRef& b) { return b.close_expired(true_ms_ + 1'000); }).ok());
    }
    meet();
    for (auto& site : sites_) site->reclaim(true_ms_);
    meet();
    check();
    const BudgetView budget = sites_[0]->budget();
    RC_ASSERT(budget.spent() == spent_);
    RC_ASSERT(budget.available() + spent_ <= funds_);
    if (replaced_) return;
    RC_ASSERT(budget.available() + spent_ == funds_);
    RC_ASSERT(budget.grants().empty());
  }

 private:
  static std::string pick(const Site& site, unsigned n) {
    const std::vector<Grant> grants = site.budget().grants();
    return grants.empty() ? "none" : grants[n % grants.size()].id;
  }

  GrantKind kind_;
  std::vector<std::unique_ptr<Site>> sites_;
  std::vector<std::int64_t> clock_errors_;
  std::int64_t true_ms_ = noon_ms;
  std::int64_t funds_ = 0;
  std::int64_t spent_ = 0;
  std::uint64_t ids_ = 100;
  bool replaced_ = false;
};

void any_history(GrantKind kind) {
  Partitions partitions(kind);
  partitions.perform({0, 0, 0, 11});
  for (const Step& step : *any_steps()) {
    partitions.perform(step);
  }
  partitions.settle();
}

RC_GTEST_PROP(budget_property, no_more_is_spent_than_was_funded, ()) {
  any_history(GrantKind::consumable);
}

RC_GTEST_PROP(budget_property, no_more_is_in_use_than_the_capacity_while_clocks_keep_the_bound,
              ()) {
  any_history(GrantKind::capacity);
}

}  // namespace
}  // namespace rejoin::agent
