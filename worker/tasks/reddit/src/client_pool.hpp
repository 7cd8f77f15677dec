// HTTP clients for as many threads as ask at once: each serves one caller at a time and keeps its
// connection for the next.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "umbel/http/client.hpp"

namespace umbel::reddit {

// Thread-safe. Grows to the greatest number of callers at one time, which the worker's concurrency
// bounds.
class ClientPool {
 public:
  // A client on loan; goes back when destroyed. Does not outlive the pool.
  class Loan {
   public:
    Loan(ClientPool& pool, std::unique_ptr<http::Client> client)
        : pool_{pool}, client_{std::move(client)} {}
    ~Loan() { pool_.give_back(std::move(client_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    http::Client* operator->() const { return client_.get(); }

   private:
    ClientPool& pool_;
    std::unique_ptr<http::Client> client_;
  };

  [[nodiscard]] Loan take() {
    const std::lock_guard lock{mutex_};
    if (free_.empty()) return Loan{*this, std::make_unique<http::Client>()};
    auto client = std::move(free_.back());
    free_.pop_back();
    return Loan{*this, std::move(client)};
  }

 private:
  void give_back(std::unique_ptr<http::Client> client) {
    const std::lock_guard lock{mutex_};
    free_.push_back(std::move(client));
  }
  std::mutex mutex_;
  std::vector<std::unique_ptr<http::Client>> free_;
};

}  // namespace umbel::reddit
