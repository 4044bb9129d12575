// A document on which admin operations are done.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "admin_operations.h"
#include "rejoin/crdt/document.h"
#include "rejoin/crdt/json.h"
#include "rejoin/crdt/transaction.h"

namespace rejoin::node {

class AdminOperations : public testing::Test {
 protected:
  // The event that the operations made; null when they wrote nothing. As the node does, an error
  // undoes all of them.
  Result<EventPtr> apply(const char* operations) {
    Transaction transaction = document_.begin({HybridTime{++time_}, "", ""});
    if (auto ok = apply_operations(transaction, nlohmann::json::parse(operations)); !ok) {
      return ok.error();
    }
    return transaction.commit();
  }
  void expect_refused(const char* operations, const char* names,
                      ErrorCode code = ErrorCode::invalid_argument) {
    const std::string before = document_.canonical_state();
    const auto outcome = apply(operations);
    ASSERT_FALSE(outcome.ok()) << operations;
    EXPECT_EQ(outcome.error().code, code) << outcome.error().to_string();
    EXPECT_NE(outcome.error().message.find(names), std::string::npos)
        << outcome.error().to_string();
    EXPECT_EQ(document_.canonical_state(), before);
  }
  std::string exported() const { return to_json(document_)->dump(); }

  Document document_{ReplicaId::from_words(1, 2)};
  std::uint64_t time_ = 0;
};

}  // namespace rejoin::node
