// Submissions as fetched, and what listings showed. Sighting one is part of acceptance
// (outbox.cpp).
#pragma once

#include "store_file.hpp"
#include "umbel/store/submissions.hpp"

namespace umbel::store_sqlite {

class SqliteSubmissions final : public SubmissionStore {
 public:
  explicit SqliteSubmissions(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<void> upsert(std::span<const Submission> submissions) override;
  [[nodiscard]] Result<Submission> find(const std::string& fullname) override;
  [[nodiscard]] Result<std::vector<Submission>> latest(std::size_t limit) override;
  [[nodiscard]] Result<std::uint64_t> count() override;
  [[nodiscard]] Result<std::vector<bool>> sighted(std::span<const std::string> fullnames) override;
  [[nodiscard]] Result<std::optional<WallTime>> watermark(const std::string& subreddit) override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
