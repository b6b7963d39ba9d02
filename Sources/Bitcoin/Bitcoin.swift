// Bitcoin
