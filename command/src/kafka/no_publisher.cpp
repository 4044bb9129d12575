// Where librdkafka is not there.
#include "kafka/publisher.h"

namespace rejoin::command {

Result<std::unique_ptr<KafkaPublisher>> KafkaPublisher::open(const KafkaOptions&) {
  return make_error(ErrorCode::invalid_argument,
                    "this rejoin was built without librdkafka; install librdkafka-dev and build it "
                    "again",
                    "--kafka");
}

}  // namespace rejoin::command
