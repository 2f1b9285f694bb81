{{ discipline_metric(['referral']) }}
