// What a node counts and measures, as Prometheus reads it: see docs/operating.md.
#pragma once

#include <memory>
#include <string>

#include "rejoin/crdt/result.h"

namespace prometheus {
class Collectable;
class Exposer;
}  // namespace prometheus

namespace rejoin::node {

class Runtime;

// All metrics in Prometheus' text format. Nothing is kept for them beside what the runtime counts:
// they are put together when somebody asks.
std::string metrics_text(Runtime& runtime);

// An HTTP server that gives them at /metrics.
class MetricsServer {
 public:
  // `address_in_use` when nothing can listen there. The runtime must outlive it.
  static Result<std::unique_ptr<MetricsServer>> open(const std::string& address, Runtime& runtime);
  // Ends all connections. Takes up to two seconds: so often the server looks whether it is to end.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  const std::string& address() const { return address_; }  // with the port that was picked

 private:
  MetricsServer(std::unique_ptr<prometheus::Exposer> exposer,
                std::shared_ptr<prometheus::Collectable> metrics, std::string address);

  std::shared_ptr<prometheus::Collectable> metrics_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string address_;
};

}  // namespace rejoin::node
