SELECT current_setting('server_version_num')::int4, current_setting('server_version'), current_setting('server_encoding'),
       current_setting('transaction_read_only')::bool
